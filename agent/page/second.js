// Second line: the document, the candidates, and why they match. Every string of a person stands in <bdi>.
import { $, el, put, shape } from "./draw.js";
import { keys } from "./entry.js";
import { age, clock, country } from "./say.js";
import { listen, second } from "./wire.js";
import { ACTIONS, EYES, FIELDS, GRADES, HAIR, NAME_KINDS, RADIATION, SEXES, TIERS } from "./words.js";

let view = null, lane = new URLSearchParams(location.search).get("lane"), held = null, next = null, asked = 0;
const bdi = (text) => el("bdi", {}, text ?? "–");
const pairs = (rows) => el("dl", {}, rows.filter(([, value]) => value != null && value !== "" && value.length !== 0)
  .map(([name, value]) => [el("dt", {}, name), ...[value].flat().map((one) => el("dd", {}, one instanceof Node ? one : bdi(one)))]));
const list = (codes, table) => codes.map((code) => table[code] ?? code).join(", ");

function person([one, crossing]) {
  if (!one) return [el("h2", {}, "Document as read"), el("p", { class: "empty" }, crossing ? "No document could be read in this crossing." : "No crossing is open.")];
  return [el("h2", {}, one.source === "manual" ? "Entered by hand" : "Document as read"),
    one.repaired && el("p", { class: "warn" }, shape("CHECK"), "The zone was repaired: compare it with the document."),
    pairs([["Surname", one.surname], ["Given names", one.given], ["Date of birth", one.birth_date],
      ["Sex", SEXES[one.sex] ?? one.sex], ["Nationality", country(one.nationality)],
      ["Document number", one.document_number], ["Issuing state", country(one.issuing_state)]]),
    one.zone?.length > 0 && el("pre", { dir: "ltr" }, one.zone.join("\n"))];
}
function reason(one) {
  const [word, says] = one.points > 0 ? ["CLEAR", "agrees"] : one.points < 0 ? ["CHECK", "speaks against"] : ["NONE", "neutral"];
  return el("tr", { class: says.replace(" ", "-") }, el("th", { scope: "row" }, FIELDS[one.field] ?? one.field), el("td", {}, bdi(one.query)),
    el("td", {}, bdi(one.candidate)), el("td", { class: "agrees" }, shape(word), el("strong", {}, says),
      el("span", { class: "points" }, `${one.points > 0 ? "+" : ""}${one.points.toFixed(1).replace("-", "−")}`), el("span", { class: "why" }, one.why)));
}
function candidate({ match, notice }, place) {
  const body = notice.description ?? {};
  const name = (one) => el("span", {}, bdi([one.surname, one.given].filter(Boolean).join(", ")), el("small", {}, ` ${NAME_KINDS[one.kind ?? "main"]}${one.original_script ? ", original script" : ""}`));
  return el("article", { class: `candidate ${match.grade}`, "aria-labelledby": `candidate-${place}` },
    el("header", {}, shape(match.grade === "strong" ? "STOP" : "CHECK"), el("h3", { id: `candidate-${place}` }, GRADES[match.grade] ?? match.grade),
      el("span", {}, TIERS[match.tier] ?? match.tier), bdi(match.entity_id), el("span", { class: "score" }, `score ${match.score.toFixed(2)}`), notice.handling && el("strong", { class: "handling" }, notice.handling)),
    el("table", {}, el("thead", {}, el("tr", {}, ["Field", "Document", "Notice", "Agrees"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, (match.reasons ?? []).map(reason))),
    el("div", { class: "details" },
      pairs([["Names", notice.names.map(name)], ["Born", [...(notice.births ?? []), [notice.birth_place, country(notice.birth_country)].filter(Boolean).join(", ")].filter(Boolean)],
        ["Sex", SEXES[notice.sex ?? "U"]], ["Nationalities", (notice.nationalities ?? []).map(country)],
        ["Documents", (notice.documents ?? []).map((one) => [one.type, one.number, country(one.country)].filter(Boolean).join(", "))]]),
      pairs([["Summary", notice.summary], ["Purposes", notice.purposes], ["Charges", notice.charges], ["Materials", notice.materials],
        ["What to do", (notice.actions ?? []).map((code) => ACTIONS[code] ?? code)],
        ["Description", [body.height_m && `${body.height_m} m`, body.weight_kg && `${body.weight_kg} kg`, body.eyes && `eyes ${list(body.eyes, EYES)}`,
          body.hair && `hair ${list(body.hair, HAIR)}`, body.marks, body.profession, body.languages?.join(", ")].filter(Boolean)],
        ["Issued by", country(notice.issuer)], ["Published", notice.published_at?.slice(0, 10)], ["Expires", notice.expires_at?.slice(0, 10)]])));
}
const listed = (one) => el("article", { class: "candidate strong" },
  el("header", {}, shape(one.sure === false ? "CHECK" : "STOP"), el("h3", {}, "Listed document"), el("span", {}, one.fraud_type), one.sure === false && el("strong", {}, "number repaired: compare it")),
  pairs([["Number", one.number], ["Issued by", country(one.issuing_country)], ["Type", one.document_type]]));

function draw(shown) {
  const given = shown.verdict;
  put($("band"), [given, shown.lane, shown.crossing], () => [shape(given?.word ?? "NONE"), el("h1", {}, given?.word ?? "Waiting for a traveller"),
    el("span", {}, `Lane ${shown.lane}${given ? `, ${clock(given.at)}` : ""}`),
    given && !given.recorded && el("strong", {}, "NOT RECORDED: telephone the CCC"), el("ul", {}, [...(given?.actions.map((code) => ACTIONS[code] ?? code) ?? []), ...(given?.notes ?? [])].map((text) => el("li", {}, text)))]);
  $("band").dataset.word = given?.word ?? "WAITING";
  put($("person"), [shown.person, shown.crossing], person);
  const [word, name, means] = RADIATION[shown.radiation?.state] ?? ["NONE", "No reading", ""];
  put($("radiation"), [word, name, means, shown.radiation?.background_cps], () => [shape(word), el("div", {}, el("strong", {}, name), el("span", {}, means),
    shown.radiation?.background_cps && el("span", {}, `Background ${shown.radiation.background_cps.toFixed(0)} counts per second`))]);
  put($("found"), [shown.listed, shown.candidates], () => [shown.listed.map(listed), shown.candidates.map(candidate),
    shown.candidates.length + shown.listed.length === 0 && el("p", { class: "empty" }, shown.person ? "No candidate and no listed document in this crossing." : "Nothing to compare yet.")]);
  put($("alerts"), shown.alerts, (ids) => ids.length ? ids.map((id) => el("li", {}, el("code", {}, id))) : [el("li", { class: "empty" }, "None in this crossing.")]);
  put($("age"), view.header.mirror_age_s == null ? "Notices: age unknown" : `Notices ${age(view.header.mirror_age_s)} old`);
}
// A crossing that is being worked on is not swapped under the officer's eyes: the lane's next one waits behind a key.
function take(fresh, asked_for_it) {
  const busy = held?.crossing && held.lane === fresh.lane && held.crossing !== fresh.crossing && held.candidates.length + held.listed.length > 0;
  next = busy && !asked_for_it ? fresh : null;
  if (!next) held = fresh;
  $("moved").hidden = !next;
  draw(held);
}
async function load(asked_for_it = false) {
  const turn = ++asked, answer = await second(lane);
  if (turn !== asked || !view) return;
  put($("refused"), answer.ok ? "" : `${answer.error} ${answer.advice}`);
  try { if (answer.ok) take(answer.body, asked_for_it); } catch (error) { lose(error); }
}
function choose(name) {
  lane = name;
  history.replaceState(null, "", `/second?lane=${encodeURIComponent(name)}`);
  load(true);
}
const back = () => location.assign(`/?lane=${encodeURIComponent(lane ?? "")}`);
const orders = { s: back, escape: back, u: () => next && load(true) };
for (let place = 1; place < 10; place += 1) orders[place] = () => view?.lanes[place - 1] && choose(view.lanes[place - 1].lane);
keys(orders);
for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => orders[button.dataset.key]());

const lose = listen((fresh) => {
  view = fresh;
  if (!view.lanes.some((one) => one.lane === lane)) lane = view.lanes[0]?.lane;
  document.body.dataset.line = "up";
  load();
}, () => {
  view = null;
  held = next = null;
  document.body.dataset.line = "lost";
  for (const id of ["band", "person", "found", "alerts", "radiation"]) put($(id), "");
  put($("lost-words"), "NO CONNECTION TO THE BOOTH");
  put($("lost-since"), `Since ${clock(new Date())}. This page comes back by itself.`);
});
