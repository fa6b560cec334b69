// The line to the desk: one event stream under watch. What the page holds is built up here from what the desk pushes.
// Whatever goes wrong here, in the drawing too, ends in `lost`: a list that stands still must not look alive.
const SILENCE_MS = 6000; // the desk beats every 2 s
const WATCH_MS = 500;
const meta = (name, html) => html.match(new RegExp(`name="${name}" content="([^"]+)"`))?.[1];
const head = document.head.innerHTML;
const build = meta("page-build", head);
let token = meta("page-token", head);
export const pageToken = () => token;

// Both clocks, and the one that went further counts: one of them stands still while the machine sleeps.
const clocks = () => [performance.now(), Date.now()];
const since = (then) => Math.max(...clocks().map((now, place) => now - then[place]));

// [event, data] as they come out of a body of server-sent events.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)));
      yield [fields.event, fields.data];
    }
  }
}

// What the desk has told, by the alert's number; `order` and `waiting` name alerts, the newest push replaces them.
function held() {
  const lines = new Map(), booths = new Map();
  let changes = null; // of the booth that is open
  return (push) => {
    for (const line of push.lines) lines.set(line.number, line);
    for (const booth of push.booths) booths.set(booth.booth, booth);
    for (const name of push.gone) booths.delete(name);
    changes = push.changes ?? changes;
    const kept = new Set([...push.order, ...push.waiting]);
    for (const number of lines.keys()) if (!kept.has(number)) lines.delete(number);
    const named = (numbers) => numbers.map((number) => lines.get(number));
    return { ...push, changes, alerts: named(push.order), waiting: named(push.waiting), booths: [...booths.values()] };
  };
}

export function listen(onView, onLost) {
  let asked = { search: "", limit: 200, booth: "", changes: 50 }, line = null, heard = clocks(), lost = false, renewing = false;
  const lose = (error) => {
    if (error instanceof Error && error.name !== "AbortError") console.error(error);
    line?.abort();
    line = null;
    const news = !lost;
    lost = true;
    if (news) onLost();
  };
  const run = async (mine, question) => {
    const answer = await fetch("/events", {
      method: "POST", headers: { "content-type": "application/json", "x-page-token": token }, body: JSON.stringify(question), signal: mine.signal,
    });
    if (!answer.ok) throw new Error(`The desk answered ${answer.status}.`);
    const take = held();
    for await (const [event, data] of events(answer.body)) {
      if (mine !== line) return;
      heard = clocks();
      if (event === "stopped") break;
      if (event !== "view") continue;
      lost = false;
      onView(take(JSON.parse(data)), question);
    }
    throw new Error("The stream has ended.");
  };
  const open = () => {
    line?.abort();
    const mine = line = new AbortController();
    run(mine, asked).catch((error) => { if (mine === line) lose(error); });
  };
  // Restarted headquarters has a new token, a newer one has a newer page.
  const renew = async () => {
    renewing = true;
    try {
      const html = await (await fetch(location.pathname, { signal: AbortSignal.timeout(2000) })).text();
      if (meta("page-build", html) !== build) location.reload();
      token = meta("page-token", html) ?? token;
      heard = clocks();
      open();
    } catch { /* still nobody: the next turn tries again */ }
    renewing = false;
  };
  const watch = () => {
    if (line && since(heard) > SILENCE_MS) lose();
    if (!line && !renewing) renew();
  };
  open();
  setInterval(watch, WATCH_MS);
  document.addEventListener("visibilitychange", watch);
  addEventListener("pagehide", lose); // a page kept for the Back button comes back empty
  // Another search or length; what is shown stays until the answer is there.
  const ask = (question) => {
    asked = { ...asked, ...question };
    if (!lost) open();
  };
  return { lose, ask, token: () => token };
}
