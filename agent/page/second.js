// Second line: the document, the candidates and why they match, the alarm, and what was found out.
import { candidate, listed, person, personTitle } from "./candidates.js";
import { $, el, put, shape } from "./draw.js";
import { findings } from "./finding.js";
import { keys } from "./keys.js";
import { passages } from "./passages.js";
import { onRelease } from "./press.js";
import { age, clock, number } from "./say.js";
import { signals } from "./signals.js";
import { strip } from "./strip.js";
import { language, languageChoice, onLanguage, t, tr } from "./texts.js";
import { listen, second } from "./wire.js";
import { ACTIONS, RADIATION, VERDICTS } from "./words.js";

const LEAVING_MS = 6000;
let view = null, lane = new URLSearchParams(location.search).get("lane"), held = null, next = null, asked = 0, wish = false, leaving = -Infinity, lost = null;
// The radiation alarm sounds here too; the verdicts' tones are the first line's.
const signal = signals(() => sounds());
function sounds() {
  if (view) signal.sound(view.lanes, null, null); else signal.hush();
  $("heard").hidden = !signal.ringing();
  $("silent").hidden = signal.live();
}
const report = findings(() => view?.header.telephone);

function told(code) {
  const words = ACTIONS[code] ? tr(ACTIONS[code]) : code, calls = code === "TELEPHONE_CCC" || code === "NOTIFY_CCC";
  return [words, calls && view.header.telephone && [" ", el("bdi", { class: "number", dir: "ltr" }, view.header.telephone)]].flat();
}
function band(given, shown) {
  const spoken = given ? tr(VERDICTS[given.word] ?? given.word) : t("Waiting for a traveller");
  return [shape(given?.word ?? "NONE"), el("h1", {}, spoken), given && language() !== "en" && el("span", { class: "english", lang: "en", dir: "ltr" }, given.word),
    el("span", { class: "when" }, given ? t("Lane {lane}, {time}", { lane: shown.lane, time: clock(given.at) }) : t("Lane {lane}", { lane: shown.lane })),
    given && !given.recorded && el("strong", { class: "unrecorded" }, t("NOT RECORDED")),
    el("ol", {}, (given?.actions ?? []).map((code) => el("li", {}, told(code)))),
    el("ul", {}, (given?.notes ?? []).filter((note) => given.recorded || !note.startsWith("NOT RECORDED")).map((note) => el("li", {}, tr(note))))];
}
function radiation(shown) {
  const [mark, name, means] = RADIATION[shown?.state] ?? ["NONE", "No reading", ""];
  return [shape(mark), el("div", {}, el("strong", {}, shown ? tr(name) : t("No reading")), means && el("span", {}, tr(means)),
    shown?.background_cps && el("span", {}, t("Background now: {cps} counts per second", { cps: number(shown.background_cps) })))];
}
function draw(shown) {
  const given = shown.verdict, minute = shown.radiation ?? {}, none = shown.candidates.length + shown.listed.length === 0;
  put($("band"), [given, shown.lane, shown.crossing, view.header.telephone], () => band(given, shown));
  $("band").dataset.word = given?.word ?? "WAITING";
  put($("person-title"), personTitle(shown.person));
  put($("person"), [shown.person, shown.crossing], ([one, crossing]) => person(one, crossing));
  put($("radiation"), shown.radiation && { ...shown.radiation, strip: null, neutron: null }, radiation);
  put($("passages"), [shown.detectors, shown.passages], () => passages(shown));
  // Where radiation is all there is, it has the middle of the page.
  document.body.toggleAttribute("data-radiation", none && minute.state === "alarm");
  put($("strip"), minute.strip?.length || minute.neutron?.length ? minute : null, () => [strip(minute, 0)]);
  $("found").previousElementSibling.hidden = none;
  put($("found"), [shown.listed, shown.candidates], () => [shown.listed.map(listed), shown.candidates.map(candidate),
    none && el("p", { class: "empty" }, shown.person ? t("No candidate and no listed document in this crossing.") : t("Nothing to compare yet."))]);
  const old = view.header.mirror_age_s;
  put($("age"), old == null ? t("Notices: age unknown") : t("Notices {age} old", { age: age(old) }));
  report.show(shown);
}
// A crossing that is being worked on is not swapped under the officer's eyes: the lane's next one waits behind a key.
function take(fresh, wanted) {
  const same = held && held.lane === fresh.lane && held.crossing === fresh.crossing && (held.crossing || held.alerts[0]?.id === fresh.alerts[0]?.id);
  const work = held && (held.candidates.length + held.listed.length + held.alerts.length > 0 || report.unsent());
  next = work && !same && !wanted ? fresh : null;
  if (!next) held = fresh;
  $("moved").hidden = !next;
  draw(held);
}
// An order to show the lane now holds until it is answered: news of the booth may overtake the answer to it.
async function load(wanted = false) {
  wish ||= wanted;
  const turn = ++asked, answer = await second(lane);
  if (turn !== asked || !view) return;
  const ordered = wish;
  wish = false;
  put($("refused"), answer.ok ? warning() : `${tr(answer.error)} ${tr(answer.advice)}`);
  try { if (answer.ok) take(answer.body, ordered); } catch (error) { lose(error); }
}
// A text that was not sent is left only when that is asked for twice.
const warned = () => performance.now() - leaving < LEAVING_MS;
const warning = () => (warned() ? t("What you have written was not sent. Do it once more to leave it.") : "");
function leave(act) {
  const sure = !report.unsent() || warned();
  leaving = sure ? -Infinity : performance.now();
  put($("refused"), warning());
  if (sure) act();
}
const choose = (name) => leave(() => {
  lane = name;
  history.replaceState(null, "", `/second?lane=${encodeURIComponent(name)}`);
  load(true);
});
const back = () => leave(() => { report.show(null); location.assign(`/?lane=${encodeURIComponent(lane ?? "")}`); });
const orders = { s: back, escape: back, u: () => next && leave(() => load(true)), f: () => report.write(), c: () => report.classify(), h: () => signal.hear(), t: () => signal.open() };
for (let place = 1; place < 10; place += 1) orders[place] = () => view?.lanes[place - 1] && choose(view.lanes[place - 1].lane);
keys(orders);
for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => orders[button.dataset.key]());
addEventListener("beforeunload", (event) => { if (report.unsent()) event.preventDefault(); });

function sayLost() {
  if (!lost) return;
  put($("lost-words"), t("NO CONNECTION TO THE BOOTH"));
  put($("lost-since"), `${t("Since {time}.", { time: clock(lost.at) })} ${lost.telephone ? `${t("CCC: {telephone}.", { telephone: lost.telephone })} ` : ""}${t("This page comes back by itself.")}`);
}
// What is held, and what is being written, outlives a lost line and a new start of the booth; its drawing does not.
const lose = listen((fresh) => {
  view = fresh;
  if (!view.lanes.some((one) => one.lane === lane)) lane = view.lanes[0]?.lane;
  lost = null;
  document.body.dataset.line = "up";
  sounds();
  load();
}, () => {
  lost = { at: new Date(), telephone: view?.header.telephone };
  view = next = null;
  wish = false;
  report.leave(); // no window over "no connection", and nobody's document in it
  document.body.dataset.line = "lost";
  for (const id of ["band", "person", "found", "passages", "strip"]) put($(id), "");
  sayLost();
  sounds();
});
// A page kept for the Back button comes back empty.
addEventListener("pagehide", () => { held = null; report.show(null); });
const redraw = () => { try { if (view && held) draw(held); } catch (error) { lose(error); } };
onLanguage(() => {
  sayLost();
  report.draw();
  redraw();
});
onRelease(redraw);
languageChoice($("language"));
setInterval(sounds, 1000);
