// The traveller's document, attached to an alert that names nobody: an act of its own, with a reason, confirmed.
import { person } from "./candidates.js";
import { $, el, put, shape } from "./draw.js";
import { t, tr } from "./texts.js";
import { freshId, post } from "./wire.js";

export function identity(recorded) {
  const dialog = $("attach-window"), form = $("attach-form"), reason = $("attach-reason"), button = $("attach");
  let shown = null, held = null, about = null, id = null, sent = null, trouble = null, sending = false;

  function draw(now, known) {
    [shown, held] = [now, known];
    const attached = known?.findings?.some((one) => one.attached), offered = Boolean(now?.attachable) && !attached;
    put($("identity-said"), now?.alerts?.length > 0 && now.alerts.every((one) => one.kind === "radiation_alarm") && [attached, now.attachable], ([done, may]) => [
      done ? t("The traveller’s document is attached to the alert.") : t("The alert names nobody."),
      !done && !may && [" ", t("No document is known here that could be attached.")]]);
    button.hidden = !offered;
    $("identity").hidden = !$("identity-said").textContent;
    if (trouble && known?.findings?.some((one) => one.id === id)) dialog.close(); // it was only late
    if (dialog.open && !same()) dialog.close(); // another crossing: nothing of this one may go with it
    put($("attach-error"), trouble, (found) => [shape("CHECK"), el("span", {}, `${tr(found.error)} ${tr(found.advice)}`)]);
    form.querySelector(".primary").setAttribute("aria-disabled", String(sending));
  }
  const same = () => shown && about && shown.lane === about.lane && shown.crossing === about.crossing;
  const redraw = (error) => { trouble = error; draw(shown, held); };

  async function send() {
    const text = reason.value.trim();
    if (sending) return;
    if (!text) { redraw({ error: "The reason is missing.", advice: "Write why the document is attached." }); return reason.focus(); }
    if (sent !== text) [id, sent] = [freshId(), text];
    sending = true;
    const answer = await post("/finding", { id, lane: about.lane, crossing: about.crossing, alerts: about.alerts.map((one) => one.id), text, attach: true });
    sending = false;
    if (!answer.ok) return redraw(answer);
    dialog.close();
    recorded();
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("attach-cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { [about, sent, trouble] = [null, null, null]; reason.value = ""; put($("attach-who"), ""); });
  button.addEventListener("click", () => {
    about = shown;
    put($("attach-who"), [about.person, about.crossing], ([one, crossing]) => person(one, crossing));
    redraw(null);
    dialog.showModal();
    reason.focus();
  });
  return { draw, leave: () => dialog.close(), unsent: () => dialog.open && reason.value.trim() !== "" };
}
