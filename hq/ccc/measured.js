// What a detector counted in an alert's passage: its outline in words, and the ANSI N42.42 document to be saved.
import { el, shape } from "./draw.js";
import { number } from "./figures.js";
import { chain, channel, facts, full, telling } from "./say.js";
import { t, tn } from "./texts.js";
import { pageToken } from "./wire.js";

const PATIENCE_MS = 20000;

// What went wrong, in a sentence and an advice; null when the file is on its way to the duty officer's folder.
async function save(one) {
  try {
    const answer = await fetch("/measurement", {
      method: "POST", headers: { "content-type": "application/json", "x-page-token": pageToken() }, signal: AbortSignal.timeout(PATIENCE_MS),
      body: JSON.stringify({ number: one.number }),
    });
    if (!answer.ok) { const { error, advice } = await answer.json(); return `${error} ${advice}`; }
    const address = URL.createObjectURL(await answer.blob());
    el("a", { href: address, download: `${one.measurement.id}.n42` }).click();
    setTimeout(() => URL.revokeObjectURL(address), PATIENCE_MS);
    return null;
  } catch {
    return t("Headquarters’ desk does not answer: the measurement is not saved. Try again.");
  }
}
function ended({ ends, summed, radiation: rays }) {
  return facts(rays.duration_s != null && t("lasted {seconds} s", { seconds: number(rays.duration_s, 1) }),
    ends === "standing" && t("somebody was still standing in the detector"), ends === "stopped" && t("the booth was stopped meanwhile"),
    summed > 1 && tn("{n} interval of the detector is one in the file", "{n} intervals of the detector are one in the file", summed));
}
// Alerts of radiation have one: it comes behind them, so that its absence is said.
const DUE = ["radiation_alarm", "person_and_radiation"];
export function measured({ alert, measurements = [] }) {
  if (measurements.length || !DUE.includes(alert.kind)) return measurements.map(measurement);
  return [el("p", { class: "empty" }, t("No measurement has come yet: it follows when the passage has ended. A booth that was killed before that has none to send."))];
}
function measurement(one) {
  const { measurement: said } = one, [mark, state] = chain(one.chain), [, , told] = telling(one);
  const button = el("button", { type: "button", class: "save" }, t("Save as N42 file"));
  const fault = el("p", { class: "warn", role: "status" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    fault.textContent = (await save(one)) ?? "";
    button.disabled = false;
  });
  return el("article", { class: "measurement" },
    el("p", {}, facts((said.radiation.channels ?? []).map((of) => facts(...channel(of))), ended(said))),
    el("p", { class: "why" }, facts(full(said.at.wall), t("arrived {time}", { time: full(one.received_at) }), t("{size} kB", { size: number(said.size / 1000, 0) }), told)),
    one.chain !== "whole" && el("p", { class: "why" }, shape(mark), state), button, fault);
}
