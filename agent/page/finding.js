// Alerts, how far they have come, what was found about them, and the field to write a further finding.
// A text goes away only when the booth has said that it is in its ledger.
import { category, kindOf } from "./category.js";
import { $, el, put, shape } from "./draw.js";
import { identity } from "./identity.js";
import { clock } from "./say.js";
import { t, tn, tr } from "./texts.js";
import { freshId, post, told } from "./wire.js";
import { KINDS } from "./words.js";

const LONGEST = 2000, ASK_MS = 3000;
const form = $("finding"), field = $("finding-text"), button = form.querySelector("button");
const letters = (text) => [...text.trim()].length;

// `telephone()` gives the command centre's number, or nothing.
export function findings(telephone) {
  let shown = null, known = null, asked = 0, id = null, sent = null, trouble = null, notice = null, sending = false;
  const kind = category(() => { trouble = null; draw(); }), whose = identity(() => ask());
  const alerts = () => shown?.alerts ?? [];

  function delivery(one) {
    if (!known) return ["NONE", t("delivery not known")];
    if (known.delivered[one.id]) return ["CLEAR", t("at headquarters since {time}", { time: clock(known.delivered[one.id]) })];
    return known.recorded.includes(one.id) ? ["CHECK", t("waiting for headquarters")] : ["CANNOT CLEAR", t("not recorded yet")];
  }
  const alert = (one) => el("li", {}, el("strong", {}, tr(KINDS[one.kind] ?? one.kind)), one.urgency === "urgent" && el("span", { class: "urgent" }, t("urgent")),
    el("time", {}, clock(one.at)), ((state) => el("span", { class: "state" }, shape(state[0]), state[1]))(delivery(one)), el("code", { dir: "ltr" }, one.id));
  const finding = (one) => el("li", {}, el("p", { class: "meta" }, el("time", {}, clock(one.at)), one.shift && el("bdi", {}, one.shift),
    one.delivered_at ? el("span", { class: "state" }, shape("CLEAR"), t("at headquarters since {time}", { time: clock(one.delivered_at) })) : el("span", { class: "state" }, shape("CHECK"), t("waiting for headquarters"))),
  kindOf(one), one.attached && el("p", { class: "kind" }, shape("CHECK"), el("strong", {}, t("Attached: the traveller’s document. Reason:"))),
  one.text && el("p", { class: "text", dir: "auto" }, one.text));

  function draw() {
    put($("alerts"), shown && [alerts(), known], () => alerts().map(alert));
    put($("findings"), known?.findings ?? [], (all) => all.map(finding));
    $("findings").hidden = !known?.findings?.length;
    form.hidden = alerts().length === 0;
    kind.draw(shown, sending);
    whose.draw(shown, known);
    put($("no-finding"), !shown?.crossing || alerts().length ? "" : t("No alert was raised in this crossing. Nothing about this traveller is stored, so nothing can be written down here."));
    const over = letters(field.value) - LONGEST;
    put($("finding-left"), over > 0 ? tn("{n} character too many", "{n} characters too many", over) : tn("{n} character left", "{n} characters left", -over));
    field.setAttribute("aria-invalid", String(over > 0 || trouble?.text === true));
    field.readOnly = sending;
    button.setAttribute("aria-disabled", String(sending));
    const number = telephone();
    put($("finding-error"), trouble && [trouble, number], () => [shape("CHECK"), el("span", {}, `${tr(trouble.error)} ${tr(trouble.advice)}`, number && el("bdi", { dir: "ltr" }, ` ${number}`))]);
    put($("finding-said"), sending ? t("Sending …") : notice && (known?.findings?.some((one) => one.id === notice.id && one.delivered_at)
      ? t("Recorded at {time}, and at headquarters.", { time: clock(notice.at) }) : t("Recorded at {time}. It goes to headquarters by itself.", { time: clock(notice.at) })));
  }
  async function ask() {
    const turn = ++asked, about = alerts().map((one) => one.id);
    if (!about.length) return;
    const answer = await told(about);
    if (turn !== asked) return;
    if (answer.ok) known = answer.body; // else what was known stays: nothing of it is ever taken back
    if (trouble && sent !== null && known?.findings?.some((one) => one.id === id)) recorded(); // it was only late
    draw();
  }
  // The ledger has it: what stands in the field goes, if it is still the same.
  function recorded() {
    if (sent === whole()) { field.value = ""; kind.reset(); }
    [sent, trouble, notice] = [null, null, { id, at: new Date().toISOString() }];
  }
  const whole = () => JSON.stringify([field.value, kind.order()]);
  async function send() {
    if (sending) return;
    const text = field.value, about = shown, length = letters(text);
    if (kind.wrong()) {
      trouble = { error: "The days since the procedure cannot be right.", advice: "Correct them, or leave them out." };
      draw();
      return kind.focusDays();
    }
    if ((!length && !kind.chosen()) || length > LONGEST) {
      trouble = { text: true, ...(length ? { error: "The finding is too long.", advice: "Shorten it, or write a second one." } : { error: "The finding is empty.", advice: "Write what was found." }) };
      draw();
      return field.focus();
    }
    const of = kind.order();
    if (sent !== whole()) [id, sent] = [freshId(), whole()]; // the same again is the same finding
    [sending, trouble, notice] = [true, null, null];
    draw();
    const answer = await post("/finding", { id, lane: about.lane, crossing: about.crossing, alerts: about.alerts.map((one) => one.id), text, ...of });
    sending = false;
    if (answer.ok) recorded(); else trouble = answer;
    draw();
    field.focus();
    if (answer.ok) ask();
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  field.addEventListener("input", () => { trouble = null; draw(); });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) { event.preventDefault(); send(); }
    if (event.key === "Escape") { event.stopPropagation(); button.focus(); }
  });
  setInterval(() => { if (document.body.dataset.line === "up") ask(); }, ASK_MS);
  return {
    draw,
    unsent: () => letters(field.value) > 0 || kind.chosen() !== null || whose.unsent(),
    write() { if (!form.hidden) field.focus(); },
    leave: whose.leave,
    classify() { if (!form.hidden) kind.focus(); },
    // Another crossing: what was written about the last one is gone.
    show(crossing) {
      const same = shown && crossing && JSON.stringify([shown.lane, shown.crossing, shown.alerts[0]?.id]) === JSON.stringify([crossing.lane, crossing.crossing, crossing.alerts[0]?.id]);
      const more = alerts().length !== (crossing?.alerts.length ?? 0);
      if (!same) {
        [known, id, sent, trouble, notice] = [null, null, null, null, null];
        field.value = "";
        kind.reset();
      }
      shown = crossing;
      if (!same || more) ask();
      draw();
    },
  };
}
