// What is heard: a short signal for each verdict, and the radiation alarm, which nobody can turn off.
// The alarm sounds until its crossing is closed or an officer has said "heard"; then it recalls itself every ten
// seconds for as long as it stands.
import { keep, kept } from "./keep.js";
import { speaker } from "./tone.js";

const WISH = "failsafe-tones", HEARD = "failsafe-heard";
const VERDICT = {
  STOP: [[0, 784, 0.2], [0.22, 587, 0.2], [0.44, 392, 0.42]],
  CHECK: [[0, 587, 0.16], [0.26, 587, 0.16]],
  "CANNOT CLEAR": [[0, 330, 0.4], [0.42, 294, 0.5]],
  CLEAR: [[0, 1047, 0.18, 0.12]],
};
const ALARM = [0, 0.16, 0.32, 0.48, 0.64, 0.8].map((after, place) => [after, place % 2 ? 1319 : 988, 0.15, 0.7]);
const RECALL = [[0, 988, 0.12, 0.5], [0.14, 1319, 0.16, 0.5]];
const ALARM_S = 1.6, RECALL_S = 10;

// Which alarms have been heard, for this tab: the second line must not begin again.
const restore = () => { try { return JSON.parse(sessionStorage.getItem(HEARD) ?? "[]"); } catch { return []; } };
const store = (keys) => { try { sessionStorage.setItem(HEARD, JSON.stringify(keys)); } catch { /* it rings again */ } };

export function signals(onChange) {
  const speak = speaker(onChange);
  let heard = new Set(restore()), told = null, standing = [];
  const wanted = () => kept(WISH) !== "off";
  speak.open();
  for (const touch of ["keydown", "pointerdown"]) document.addEventListener(touch, () => speak.open());
  const note = (keys) => { heard = new Set(keys); store([...heard]); };
  return {
    live: speak.live,
    open: speak.open,
    wanted,
    toggle() { keep(WISH, wanted() ? "off" : "on"); onChange(); },
    // An alarm sounds that nobody has heard yet.
    ringing: () => standing.some((key) => !heard.has(key)),
    hear() { note(standing); onChange(); },
    // At every drawing, once a second at least. `key` changes with every verdict that is new to this screen.
    sound(lanes, word, key) {
      standing = lanes.filter((one) => one.radiation.state === "alarm").map((one) => `${one.lane} ${one.crossing ?? ""}`);
      const kept_on = [...heard].filter((one) => standing.includes(one));
      if (kept_on.length !== heard.size) note(kept_on);
      const loud = this.ringing();
      speak.ring(standing.length ? (loud ? ALARM : RECALL) : null, loud ? ALARM_S : RECALL_S);
      if (key !== told && told !== null && word && wanted() && !loud) speak.play(VERDICT[word] ?? VERDICT["CANNOT CLEAR"]);
      told = key;
    },
    hush() { standing = []; speak.ring(null); },
  };
}
