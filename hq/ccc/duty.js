// Who has the duty at this screen, and the word that an urgent alert was seen. Headquarters writes it down with its own
// clock, and the signal ends on every screen; until it has answered, the signal goes on.
import { keep, kept } from "./keep.js";
import { t } from "./texts.js";

const OFFICER = "failsafe-ccc-officer", SHIFT_MS = 12 * 3600 * 1000;
const PATIENCE_MS = 8000, AT_ONCE = 200; // at most so many in one order (app.py)

// A name that was given more than a shift ago may be the last shift's: it is asked for again.
export function officer() {
  try {
    const { name, since } = JSON.parse(kept(OFFICER) ?? "{}"), ago = Date.now() - since;
    return name && ago >= 0 && ago < SHIFT_MS ? name : null;
  } catch { return null; }
}
export const takeOver = (name) => keep(OFFICER, JSON.stringify({ name, since: Date.now() }));

// What went wrong, in a sentence and an advice of headquarters or of our own; null when it is written down.
export async function acknowledge(numbers, name, token) {
  try {
    const answer = await fetch("/acknowledge", {
      method: "POST", headers: { "content-type": "application/json", "x-page-token": token }, signal: AbortSignal.timeout(PATIENCE_MS),
      body: JSON.stringify({ officer: name, alerts: numbers.slice(0, AT_ONCE) }),
    });
    if (answer.ok) return null;
    const { error, advice } = await answer.json();
    return `${error} ${advice}`;
  } catch {
    return t("Headquarters’ desk does not answer: the alert is not acknowledged. Try again.");
  }
}
