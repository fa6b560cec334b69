// A press is never lost to a drawing. A browser drops the click where what went down is not what comes up: so the part
// of the page that is being pressed waits to be drawn until it is let go, and where the page has moved under a hand that
// held still, what was pressed is done all the same.
const PRESSABLE = "button, a[href], summary, label, tr[tabindex]";
const LONGEST_MS = 5000; // what leans on a touch screen for longer is no press, and the list must go on
const SHAKE = 8; // pixels that a still hand may move
let pressed = null, from = [0, 0], due = false, limit = 0;
const redraws = [];

// Whether what is being pressed stands within `node`, so that its children must stay for a moment.
export function pressedIn(node) {
  const waits = pressed != null && pressed !== node && node.contains(pressed);
  due ||= waits;
  return waits;
}
// `redraw` draws what had to wait.
export const onRelease = (redraw) => { redraws.push(redraw); };

const meant = () => pressed?.closest(PRESSABLE);
const place = (event) => [event.clientX, event.clientY];
function press(target, at) {
  [pressed, from] = [target.closest?.(PRESSABLE) ? target : null, at];
  clearTimeout(limit);
  if (pressed) limit = setTimeout(release, LONGEST_MS);
}
function release() {
  const waited = due;
  clearTimeout(limit);
  [pressed, due] = [null, false];
  if (waited) for (const redraw of redraws) redraw();
}
// The browser's own click comes before a timer does; a finger's comes later, and is told by where it lies then.
function letGo(event) {
  const still = event.type === "pointerup" && event.pointerType !== "touch" && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < SHAKE;
  setTimeout(() => {
    if (still && meant()?.isConnected && meant().checkVisibility()) meant().click();
    release();
  });
}

addEventListener("pointerdown", (event) => { if (event.isPrimary && event.button === 0) press(event.target, place(event)); }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, (event) => { if (event.isPrimary) letGo(event); }, true);
addEventListener("keydown", (event) => { if (event.key === " " && !pressed) press(event.target, [0, 0]); }, true);
addEventListener("keyup", (event) => { if (event.key === " ") letGo(event); }, true);
addEventListener("blur", (event) => { if (event.target === window) release(); });
// Its own drawing is not to wait.
addEventListener("click", (event) => { if (meant()?.contains(event.target)) pressed = null; }, true);
