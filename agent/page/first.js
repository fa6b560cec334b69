// The first line: colour, word, what to do. No name ever comes here.
import { $, el, put, shape } from "./draw.js";
import { keys, manualEntry } from "./entry.js";
import { strip } from "./strip.js";
import { listen, post } from "./wire.js";
import { age, clock, count } from "./say.js";
import { ACTIONS, DETECTORS, MIRROR, RADIATION } from "./words.js";

let view = null, received = 0, chosen = new URLSearchParams(location.search).get("lane"), asked = -Infinity, shown = null, fresh = 0;
const late = () => (performance.now() - received) / 1000;
// Closing a crossing that is not clear is asked twice.
const sure = () => performance.now() - asked < 4000;
const lane = () => view?.lanes.find((one) => one.lane === chosen) ?? view?.lanes[0];
const state = (label, [word, text]) => el("div", { class: "state" }, shape(word), el("div", {}, el("span", {}, label), el("strong", {}, text)));

function header(head) {
  const delay = late();
  put($("place"), [head.crossing_point, head.booth], ([point, booth]) => [el("strong", {}, point), el("span", {}, booth)]);
  const [mirror, word] = MIRROR[head.mirror] ?? ["CANNOT CLEAR", head.mirror];
  const held = head.mirror_age_s == null ? "" : `, ${age(head.mirror_age_s + delay)} old`;
  const oldest = head.oldest_undelivered_s == null ? "" : `, oldest ${age(head.oldest_undelivered_s + delay)}`;
  const where = (one) => (view.lanes.length > 1 ? `${one.name}, lane ${one.lane}` : one.name);
  const states = [
    [`${count(head.notices, "notice")}, ${count(head.listed_documents, "document")}`, [mirror, word + held]],
    ["Alerts to the CCC", head.undelivered ? ["CHECK", `${head.undelivered} waiting${oldest}`] : ["CLEAR", "all delivered"]],
    ...head.detectors.map((one) => [where(one), DETECTORS[one.state] ?? ["CHECK", one.state]]),
  ];
  put($("states"), states, (all) => all.map((one) => state(...one)));
  const faults = [
    !head.recording && `THE LEDGER CANNOT RECORD. Clear nobody; telephone the CCC${head.telephone && ` on ${head.telephone}`}.`,
    !head.clock_trusted && "The clock is not trusted. Times on this page and in alerts may be wrong.",
    head.refused && `The last publication of notices was refused. ${head.refused}`,
    ...head.detectors.filter((one) => one.state !== "OK" && one.advice).map((one) => `${where(one)}: ${one.advice}`),
    ...head.faults,
  ].filter(Boolean);
  put($("faults"), faults, (all) => all.map((text) => el("li", {}, shape("CHECK"), text)));
}

function verdict(one) {
  const given = one.verdict, panel = $("verdict"), stray = !given && one.radiation.state === "alarm";
  const word = given?.word ?? (stray ? "STOP" : "WAITING");
  panel.dataset.word = word;
  const key = JSON.stringify([one.lane, one.crossing, given]);
  if (key !== shown) { shown = key; fresh = performance.now(); asked = -Infinity; }
  panel.classList.toggle("fresh", given != null && performance.now() - fresh < 3000);
  const calls = view.header.telephone && ` ${view.header.telephone}`;
  const told = (code) => (ACTIONS[code] ?? code) + (code === "TELEPHONE_CCC" && calls ? calls : "");
  const [title, advice] = stray ? ["Radiation alarm", "No traveller belongs to it yet. Let nobody leave; read their documents."]
    : one.crossing ? ["Judging this crossing", "No verdict yet: clear nobody."]
      : ["Waiting for a traveller", "Lay a document on the reader, or press M to enter one by hand."];
  put($("said"), [title, given, calls], () => given
    ? [el("div", { class: "word" }, shape(word), el("h1", {}, word.split(" ").map((part) => el("span", {}, `${part} `)))),
      el("p", { class: "next" }, told(given.actions[0] ?? "TELEPHONE_CCC")),
      given.actions.length > 1 && el("ul", { class: "also" }, given.actions.slice(1).map((code) => el("li", {}, told(code))))]
    : [stray && shape("STOP"), el("h1", { class: "calm" }, title), el("p", { class: "next" }, advice)]);
  put($("unrecorded"), given && !given.recorded && ["NOT RECORDED", `Telephone the CCC now.${calls || ""}`], ([what, then]) =>
    [shape("CHECK"), el("strong", {}, what), el("span", {}, then)]);
  put($("notes"), given?.notes ?? [], (notes) => notes.map((note) => el("li", {}, note)));
  const since = given && (Date.parse(view.at) - Date.parse(given.at)) / 1000 + late();
  put($("given"), given && [clock(given.at), since >= 1 ? `${age(since)} ago` : "now", given.reissued, given.actions], ([at, ago, again, codes]) =>
    [again && el("strong", { class: "again" }, "Changed after the first verdict. "), `Given at ${at}, ${ago}. `, el("span", { class: "codes" }, codes.join(" · "))]);
  put($("order"), sure() ? "This crossing is not clear. Press N again to close it." : "");
}

function aside(one) {
  const idle = !one.crossing && one.radiation.state === "awaited";
  const [word, name, means] = idle ? ["NONE", "No crossing open", ""] : RADIATION[one.radiation.state] ?? ["CANNOT CLEAR", one.radiation.state, ""];
  put($("radiation"), [word, name, means], () => [shape(word), el("div", {}, el("strong", {}, name), el("span", {}, means))]);
  $("strip").replaceChildren(strip(one.radiation, late()));
  put($("history"), one.history.slice(0, 10), (past) => past.length
    ? past.map((line) => el("li", {}, shape(line.word), el("span", {}, line.word), el("time", {}, clock(line.at))))
    : [el("li", { class: "empty" }, "No crossing in this shift yet.")]);
  put($("lanes"), view.lanes.length > 1 && [one.lane, view.lanes.map((each) => [each.lane, each.verdict?.word])], (all) => all && all[1].map(([name, said], place) => {
    const button = el("button", { type: "button", "aria-pressed": String(name === one.lane) }, el("kbd", {}, String(place + 1)), `Lane ${name}`, shape(said ?? "NONE"), el("span", {}, said ?? "waiting"));
    button.addEventListener("click", () => choose(name));
    return button;
  }));
}

function draw() {
  if (!view) return;
  header(view.header);
  const one = lane();
  if (!one) throw new Error("The booth names no lane.");
  verdict(one);
  aside(one);
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
  if (!answer.ok) put($("order"), `${answer.error} ${answer.advice}`);
}

const entry = manualEntry(() => lane().lane);
const goSecond = () => { if (lane()) location.assign(`/second?lane=${encodeURIComponent(lane().lane)}`); };
const help = () => $("help").showModal();
const orders = { m: () => lane() && entry.open(), n: close, s: goSecond, "?": help };
for (let place = 1; place < 10; place += 1) orders[place] = () => view?.lanes[place - 1] && choose(view.lanes[place - 1].lane);
keys(orders);
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
  const telephone = view?.header.telephone;
  view = null;
  document.body.dataset.line = "lost";
  put($("said"), "");
  entry.park();
  $("help").close();
  put($("lost-words"), "NO CONNECTION TO THE BOOTH");
  put($("lost-since"), `Since ${clock(new Date())}. ${telephone ? `CCC: ${telephone}. ` : ""}This page comes back by itself.`);
});
setInterval(() => { try { draw(); } catch (error) { lose(error); } }, 1000);
