// The first line: colour, word, what to do. No name ever comes here.
import { $, el, put, shape } from "./draw.js";
import { manualEntry } from "./entry.js";
import { header } from "./header.js";
import { keyChoice, keys } from "./keys.js";
import { onRelease } from "./press.js";
import { age, clock } from "./say.js";
import { signals } from "./signals.js";
import { strip } from "./strip.js";
import { language, languageChoice, onLanguage, t, tr } from "./texts.js";
import { listen, post } from "./wire.js";
import { ACTIONS, RADIATION, VERDICTS } from "./words.js";

let view = null, received = 0, chosen = new URLSearchParams(location.search).get("lane"), asked = -Infinity, shown = null, fresh = 0, lost = null;
const late = () => (performance.now() - received) / 1000;
// Closing a crossing that is not clear is asked twice.
const sure = () => performance.now() - asked < 4000;
const lane = () => view?.lanes.find((one) => one.lane === chosen) ?? view?.lanes[0];
const spoken = (word) => tr(VERDICTS[word] ?? word);
const signal = signals(() => draw());

// What to do, in words; the CCC's number stands where it is to be called, and on every STOP.
function told(code) {
  const words = ACTIONS[code] ? tr(ACTIONS[code]) : code, number = view.header.telephone;
  const calls = code === "TELEPHONE_CCC" || code === "NOTIFY_CCC";
  return calls && number ? [words, " ", el("bdi", { class: "number", dir: "ltr" }, number)] : [words];
}
// Two lines of words as even as they can be: "CANNOT | CLEAR".
function halves(words) {
  const parts = words.split(" "), cuts = parts.map((_, cut) => [parts.slice(0, cut).join(" "), parts.slice(cut).join(" ")]);
  const longest = (lines) => Math.max(...lines.map((line) => line.length));
  return cuts.reduce((best, one) => (longest(one) < longest(best) ? one : best)).filter(Boolean);
}
// The word, as large as it can stand; where it is not English, the English word beside it, for radio and telephone.
function heading(word) {
  const words = spoken(word), lines = halves(words);
  const title = el("h1", {}, lines.map((line) => el("span", {}, `${line} `)));
  title.style.setProperty("--letters", Math.max(4, ...lines.map((line) => line.length)));
  title.style.setProperty("--lines", lines.length);
  return el("div", { class: "word" }, shape(word), el("div", {}, title, language() !== "en" && el("p", { class: "english", lang: "en" }, el("bdi", {}, word))));
}
function instead(one, stray) {
  if (stray) return [t("Radiation alarm"), t("No traveller belongs to it yet. Let nobody leave; read their documents.")];
  if (one.crossing) return [t("Judging this crossing"), t("No verdict yet: clear nobody.")];
  return [t("Waiting for a traveller"), t("Lay a document on the reader, or enter one by hand (M).")];
}

function verdict(one) {
  const given = one.verdict, panel = $("verdict"), stray = !given && one.radiation.state === "alarm";
  const word = given?.word ?? (stray ? "STOP" : "WAITING"), number = view.header.telephone;
  panel.dataset.word = word;
  const key = JSON.stringify([one.lane, one.crossing, given]);
  if (key !== shown) { shown = key; fresh = performance.now(); asked = -Infinity; }
  panel.classList.toggle("fresh", given != null && performance.now() - fresh < 3000);
  const [title, advice] = instead(one, stray);
  put($("said"), [title, given, number], () => given
    ? [heading(word), el("p", { class: "next" }, told(given.actions[0] ?? "TELEPHONE_CCC")),
      given.actions.length > 1 && el("ul", { class: "also" }, given.actions.slice(1).map((code) => el("li", {}, el("span", {}, told(code)))))]
    : [stray && shape("STOP"), el("h1", { class: "calm" }, title), el("p", { class: "next" }, advice)]);
  put($("unrecorded"), given && !given.recorded && [number], () => [shape("CHECK"), el("strong", {}, t("NOT RECORDED")), el("span", {}, told("TELEPHONE_CCC"))]);
  // What the banner says already is not said again.
  put($("notes"), (given?.notes ?? []).filter((note) => given.recorded || !note.startsWith("NOT RECORDED")), (notes) => notes.map((note) => el("li", {}, el("span", {}, tr(note)))));
  const since = given && (Date.parse(view.at) - Date.parse(given.at)) / 1000 + late();
  put($("given"), given && [clock(given.at), since >= 1 ? age(since) : null, given.reissued, given.actions], ([at, ago, again, codes]) =>
    [again && el("strong", { class: "again" }, t("Changed after the first verdict."), " "), ago ? t("Given at {time}, {age} ago.", { time: at, age: ago }) : t("Given at {time}, now.", { time: at }), " ", el("bdi", { class: "codes" }, codes.join(" · "))]);
  put($("order"), sure() ? t("This crossing is not clear. Close it once more (N) if it is dealt with.") : "");
  signal.sound(view.lanes, given?.word, key);
}

function aside(one) {
  const idle = !one.crossing && one.radiation.state === "awaited";
  const [word, name, means] = idle ? ["NONE", "No crossing open", ""] : RADIATION[one.radiation.state] ?? ["CANNOT CLEAR", one.radiation.state, ""];
  const title = idle ? t("No crossing open") : tr(name);
  put($("radiation"), [word, title, means], () => [shape(word), el("div", {}, el("strong", {}, title), el("span", {}, tr(means)))]);
  $("strip").replaceChildren(strip(one.radiation, late()));
  put($("history"), one.history.slice(0, 10), (past) => past.length
    ? past.map((line) => el("li", {}, shape(line.word), el("span", {}, spoken(line.word)), el("time", { datetime: line.at }, clock(line.at))))
    : [el("li", { class: "empty" }, t("No crossing in this shift yet."))]);
  put($("lanes"), view.lanes.length > 1 && [one.lane, view.lanes.map((each) => [each.lane, each.verdict?.word, each.radiation.state === "alarm"])], (all) => all && all[1].map(([name, said, alarm], place) => {
    const button = el("button", { type: "button", "aria-pressed": String(name === one.lane) }, el("kbd", {}, String(place + 1)), t("Lane {lane}", { lane: name }),
      shape(said ?? "NONE"), el("span", {}, said ? spoken(said) : t("waiting")), alarm && el("strong", {}, t("radiation alarm")));
    button.addEventListener("click", () => choose(name));
    return button;
  }));
}
// Sound: what is on, what is not to be had yet, and an alarm that nobody has heard.
function sounds() {
  const live = signal.live();
  put($("tone-words"), [live, signal.wanted()], ([heard, on]) => [!heard ? t("No sound yet") : on ? t("Tones on") : t("Tones off")]);
  $("tone").setAttribute("aria-pressed", String(live && signal.wanted()));
  $("tone").classList.toggle("lacking", !live);
  $("heard").hidden = !signal.ringing();
}

function draw() {
  if (!view) return say_lost();
  header(view.header, view.lanes, late());
  const one = lane();
  if (!one) throw new Error("The booth names no lane.");
  verdict(one);
  aside(one);
  sounds();
}
function say_lost() {
  if (!lost) return;
  put($("lost-words"), t("NO CONNECTION TO THE BOOTH"));
  const since = t("Since {time}.", { time: clock(lost.at) }), back = t("This page comes back by itself.");
  put($("lost-since"), [since, lost.telephone && t("CCC: {telephone}.", { telephone: lost.telephone }), back].filter(Boolean).join(" "));
}
function choose(name) {
  chosen = name;
  history.replaceState(null, "", `/?lane=${encodeURIComponent(name)}`);
  draw();
}
async function close() {
  const one = lane();
  if (!one?.crossing) return;
  const grave = one.verdict && one.verdict.word !== "CLEAR";
  if (grave && !sure()) { asked = performance.now(); return draw(); }
  asked = -Infinity;
  const answer = await post("/close", { lane: one.lane });
  if (!answer.ok) put($("order"), `${tr(answer.error)} ${tr(answer.advice)}`);
}

const entry = manualEntry(() => lane().lane);
const goSecond = () => { if (lane()) location.assign(`/second?lane=${encodeURIComponent(lane().lane)}`); };
const help = () => $("help").showModal();
const orders = { m: () => lane() && entry.open(), n: close, s: goSecond, h: () => signal.hear(), t: () => (signal.live() ? signal.toggle() : signal.open()), "?": help };
for (let place = 1; place < 10; place += 1) orders[place] = () => view?.lanes[place - 1] && choose(view.lanes[place - 1].lane);
keys(orders);
keyChoice($("key-mode"));
for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => orders[button.dataset.key]());
$("help-close").addEventListener("click", () => $("help").close());

const lose = listen((next) => {
  view = next;
  received = performance.now();
  draw();
  const back = document.body.dataset.line !== "up";
  document.body.dataset.line = "up";
  if (back) entry.back();
}, () => {
  lost = { at: new Date(), telephone: view?.header.telephone };
  view = null;
  document.body.dataset.line = "lost";
  put($("said"), "");
  entry.park();
  $("help").close();
  signal.hush();
  say_lost();
});
const redraw = () => { try { draw(); } catch (error) { lose(error); } };
onLanguage(redraw);
onRelease(redraw);
languageChoice($("language"));
setInterval(redraw, 1000);
