// Keys of one letter. A press may be meant for something else (speech input, a shaking hand), so they can be had with
// Alt only, or not at all; keys that write nothing, such as Escape, always work.
import { keep, kept } from "./keep.js";

const MODE = "failsafe-keys", MODES = ["on", "alt", "off"];
export const keyMode = () => (MODES.includes(kept(MODE)) ? kept(MODE) : "on");
const show = () => { document.documentElement.dataset.keys = keyMode(); };
show();

// With Alt, and on a keyboard of another script, a key gives another sign: then its place tells its letter.
function name(event) {
  const place = /^(?:Key|Digit)(.)$/.exec(event.code)?.[1].toLowerCase();
  return place && (event.altKey || /[^\u0000-\u024f]/.test(event.key)) ? place : event.key.toLowerCase();
}
// A window that has closed keeps the focus within it until the page is drawn again: nobody types there any more.
const focus = (at) => (at?.closest?.("dialog:not([open])") ? document.body : at);
// keys({ m: act, escape: act }). Nothing is done while a window is open or something is being typed. A key that is held
// down acts once, but for `repeats`; `leaves(key, focused)` tells which keys belong to what has the focus.
export function keys(table, { repeats = [], leaves = () => false } = {}) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || focus(event.target).closest?.("input, textarea, select")) return;
    if (event.ctrlKey || event.metaKey) return;
    const mode = keyMode(), letter = event.key.length === 1;
    if (letter ? mode === "off" || event.altKey !== (mode === "alt") : event.altKey) return;
    const key = name(event), act = table[key];
    if (!act || (event.repeat && !repeats.includes(key)) || leaves(key, focus(document.activeElement))) return;
    event.preventDefault();
    act();
  });
}
// A <fieldset> of radio buttons named key-mode, whose values are the modes.
export function keyChoice(fieldset) {
  const buttons = [...fieldset.querySelectorAll('input[name="key-mode"]')];
  for (const button of buttons) button.checked = button.value === keyMode();
  fieldset.addEventListener("change", (event) => { keep(MODE, event.target.value); show(); });
}
