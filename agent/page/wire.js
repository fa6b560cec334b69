// The line to the booth: one event stream under watch, and the orders an officer can send.
// Whatever goes wrong here, in the drawing too, ends in `lost`: an old verdict must not stay on the screen.
import { t } from "./texts.js";

const SILENCE_MS = 4000; // the booth beats every 2 s
const WATCH_MS = 500;
const meta = (name, html) => html.match(new RegExp(`name="${name}" content="([^"]+)"`))?.[1];
const head = document.head.innerHTML;
const build = meta("page-build", head);
let token = meta("page-token", head);

// Both clocks, and the one that went further counts: one of them stands still while the machine sleeps.
const clocks = () => [performance.now(), Date.now()];
const since = (then) => Math.max(...clocks().map((now, place) => now - then[place]));

export function listen(onView, onLost) {
  let source, heard = clocks(), lost = false, renewing = false;
  const lose = (error) => {
    if (error instanceof Error) console.error(error);
    source?.close();
    source = null;
    if (!lost) onLost();
    lost = true;
  };
  const open = () => {
    source?.close();
    heard = clocks();
    source = new EventSource(`/events?token=${encodeURIComponent(token)}`);
    source.addEventListener("view", (event) => {
      heard = clocks();
      lost = false;
      try { onView(JSON.parse(event.data)); } catch (error) { lose(error); }
    });
    source.addEventListener("beat", () => { heard = clocks(); });
    source.addEventListener("stopped", lose);
    source.addEventListener("error", lose);
  };
  // A restarted booth has a new token, a newer booth has a newer page.
  const renew = async () => {
    renewing = true;
    try {
      const html = await (await fetch(location.pathname, { signal: AbortSignal.timeout(2000) })).text();
      const fresh = meta("page-build", html);
      if (!fresh) throw new Error("That is no page."); // an answer of somebody else's, or of a booth that has not begun
      if (fresh !== build) location.reload();
      token = meta("page-token", html) ?? token;
      open();
    } catch { /* still no booth: the next turn tries again */ }
    renewing = false;
  };
  const watch = () => {
    if (since(heard) > SILENCE_MS) lose();
    if (!source && !renewing) renew();
  };
  open();
  setInterval(watch, WATCH_MS);
  document.addEventListener("visibilitychange", watch);
  addEventListener("pagehide", lose); // a page kept for the Back button comes back empty
  return lose;
}

async function answered(path, options) {
  try {
    const response = await fetch(path, { signal: AbortSignal.timeout(5000), ...options });
    const body = await response.json();
    return response.ok ? { ok: true, body } : { ok: false, error: body.error, advice: body.advice };
  } catch {
    return { ok: false, error: t("The booth did not answer."), advice: t("Try again when the connection is back.") };
  }
}
export const post = (path, order) => answered(path, {
  method: "POST", headers: { "content-type": "application/json", "x-page-token": token }, body: JSON.stringify(order),
});
// A UUID of version 7, as the booth's own: the moment, then chance.
export function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)), at = Date.now();
  for (let place = 0; place < 6; place += 1) bytes[place] = Math.floor(at / 2 ** (8 * (5 - place))) % 256;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
export const second = (lane) =>
  answered(`/second.json?token=${encodeURIComponent(token)}&lane=${encodeURIComponent(lane)}`);
// How far alerts have come, and what was found about them.
export const told = (alerts) =>
  answered(`/told.json?${new URLSearchParams([["token", token], ...alerts.map((one) => ["alert", one])])}`);
