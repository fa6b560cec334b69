// The command centre's list: alerts by urgency, booths, the signal, and the keys.
import { acknowledged, signal } from "./alarm.js";
import * as booths from "./booths.js";
import { detail } from "./detail.js";
import { $, el, put, shape } from "./draw.js";
import { age, between, chain, clock, count, countryName, day, grounds, kind, mirror, number, place, telling, whose } from "./say.js";
import { heads, rows } from "./table.js";
import { URGENCIES } from "./words.js";
import { listen } from "./wire.js";

const STEP = 200, MOST = 1000;
let view = null, received = 0, question = { search: "", limit: STEP }, current = null, opened = null;
const seen = acknowledged();
const sound = signal(() => draw());
const now = () => (view ? new Date(Date.parse(view.at) + performance.now() - received).toISOString() : "");
const up = () => document.body.dataset.line === "up";
const urgent = (line) => line.alert.urgency === "urgent";
const sign = (mark, ...words) => el("span", { class: "sign" }, shape(mark), ...words);
const TELLING_ORDER = ["failing", "waiting", "sent", "not for CBRNE"], CHAIN_ORDER = ["fork", "gap before", "whole"];
const rank = (order, value) => { const found = order.indexOf(value); return found < 0 ? -1 : found; };

const ALERTS = [
  { key: "urgency", title: "Urgency" },
  { key: "event", title: "Event", of: (one) => one.alert.at.wall, first: -1 },
  { key: "arrived", title: "Arrived", of: (one) => one.number, first: -1 },
  { key: "land", title: "Country", of: (one) => countryName(one.alert.place.country) ?? one.alert.place.country },
  { key: "point", title: "Crossing point", of: (one) => `${one.alert.place.crossing_point} ${one.alert.place.lane ?? ""}` },
  { key: "who", title: "Who", of: (one) => whose(one.alert.person) },
  { key: "why", title: "Why", of: (one) => kind(one.alert) },
  { key: "mirror", title: "Notices’ age", of: (one) => one.alert.mirror_age_s ?? Infinity, first: -1 },
  { key: "chain", title: "Chain", of: (one) => rank(CHAIN_ORDER, one.chain) },
  { key: "cbrne", title: "CBRNE", of: (one) => rank(TELLING_ORDER, telling(one)[0]) },
];
const alertHeads = heads($("alert-heads"), ALERTS, () => draw());
const boothHeads = heads($("booth-heads"), booths.columns(now), () => draw());

function cells(line) {
  const { alert } = line, [mark, word] = URGENCIES[alert.urgency] ?? ["CHECK", alert.urgency];
  const late = between(alert.at.wall, line.received_at), found = grounds(alert), [held, old] = mirror(alert.mirror_age_s);
  const [told, state, words] = telling(line), [linked, whole] = chain(line.chain);
  const person = alert.person, more = found.length - 2;
  return [
    el("td", { class: "urgency" }, urgent(line) ? sign(mark, el("strong", {}, word)) : word, alert.kind === "exercise" ? el("strong", { class: "exercise" }, "EXERCISE") : el("small", {}, alert.verdict)),
    el("td", { class: "event" }, clock(alert.at.wall), alert.at.trusted ? el("small", {}, day(alert.at.wall)) : el("small", {}, sign("CHECK", "clock?"))),
    el("td", { class: "arrived" }, clock(line.received_at), el("small", {}, late >= 60 && alert.at.trusted ? `${age(late)} later` : day(line.received_at))),
    el("td", { class: "land" }, countryName(alert.place.country) ?? alert.place.country, el("small", {}, alert.place.country)),
    el("td", { class: "point" }, el("bdi", {}, alert.place.crossing_point), el("small", {}, alert.place.lane ? ["lane ", el("bdi", {}, alert.place.lane), ", "] : null, el("bdi", {}, alert.place.booth))),
    el("td", { class: "who" }, person ? el("bdi", { class: "name" }, whose(person)) : el("span", { class: "empty" }, "no identity"),
      person && el("small", {}, [person.birth_date && `born ${person.birth_date}`, person.nationality, person.repaired && "zone repaired"].filter(Boolean).join(", "))),
    el("td", { class: "why" }, found.length ? null : kind(alert), found.slice(0, 2).map(([sort, what, reasons]) => el("p", {}, shape(sort), el("span", {}, el("b", {}, what), reasons && el("small", {}, reasons)))),
      more > 0 && el("small", {}, `and ${more} more`)),
    el("td", { class: "mirror" }, sign(held, old)),
    el("td", { class: "chain" }, sign(linked, whole)),
    el("td", { class: "cbrne" }, told === "not for CBRNE" ? el("span", { class: "empty" }, "no") : sign(state, words)),
  ];
}
function row(id) {
  const made = el("tr", { tabindex: "-1" });
  made.dataset.id = id;
  made.addEventListener("click", () => { choose(id); open(id); });
  return made;
}
const shown = () => alertHeads.sorted(view.alerts);

function alerts() {
  const list = shown(), waiting = new Set(seen.open(view.urgent).map((line) => line.alert.id));
  if (current !== opened && !list.some((line) => line.alert.id === current)) current = list[0]?.alert.id ?? null;
  rows($("alerts"), list.map((line) => [line.alert.id, line, () => cells(line)]), row);
  const pressing = new Set(list.filter(urgent).map((line) => line.alert.id));
  for (const one of $("alerts").children) {
    const mine = one.dataset.id === current;
    one.className = `${pressing.has(one.dataset.id) ? "urgent" : "routine"}${waiting.has(one.dataset.id) ? " waiting" : ""}`;
    one.tabIndex = mine ? 0 : -1;
    if (mine) one.setAttribute("aria-current", "true"); else one.removeAttribute("aria-current");
  }
  const found = question.search ? ` found for “${question.search}” of ${number(view.all)}` : "";
  put($("shown"), `${count(view.total, "alert")}${found}${view.alerts.length < view.total ? `, ${number(view.alerts.length)} shown` : ""}${alertHeads.isFirst() ? "" : `, sorted by ${alertHeads.title().toLowerCase()}`}`);
  put($("none"), list.length ? "" : question.search ? "No alert has all of these words. Esc leaves the search." : "No alert has arrived yet.");
  $("more").hidden = view.alerts.length >= view.total || question.limit >= MOST;
}
function ringing() {
  const waiting = seen.open(view?.urgent ?? []), [first] = waiting;
  sound.ring(waiting.length > 0);
  put($("ringing-words"), waiting.length > 0 && [waiting.length, place(first.alert.place), kind(first.alert)], ([many, at, what]) => [shape("STOP"), el("strong", {}, `${count(many, "urgent alert")} not acknowledged on this screen`), el("span", {}, `Newest: ${what} at ${at}`)]);
  $("ringing").hidden = !waiting.length;
  document.title = `${waiting.length ? `(${waiting.length}) URGENT · ` : ""}${up() ? "" : "NO CONNECTION · "}Command centre · Fail Safe Edge`;
  put($("sound"), [sound.on(), sound.wanted()], ([on, wanted]) => [el("kbd", {}, "S"), on ? "Sound is on" : wanted ? "SOUND IS OFF: press any key" : "SOUND IS OFF: turn on"]);
  $("sound").dataset.on = String(sound.on());
}
function states() {
  const failing = view.alerts.filter((line) => telling(line)[0] === "failing").length, waiting = view.alerts.filter((line) => telling(line)[0] === "waiting").length;
  const told = failing ? ["STOP", `${failing} FAILING`] : waiting ? ["CHECK", `${waiting} waiting`] : ["CLEAR", "none waiting"];
  const broken = view.alerts.filter((line) => line.chain !== "whole").length;
  const entry = ([label, [mark, words]]) => el("div", { class: "state" }, shape(mark), el("div", {}, el("span", {}, label), el("strong", {}, words)));
  put($("states"), [["CBRNE, alerts shown", told], ["Chains, alerts shown", broken ? ["CHECK", `${count(broken, "alert")} to look at`] : ["CLEAR", "whole"]]], (all) => all.map(entry));
}
function draw() {
  ringing();
  if (!view || !up()) return;
  put($("utc"), `${clock(now())} UTC`);
  states();
  alerts();
  put($("booth-summary"), booths.summary(view.booths, now()), ([mark, words]) => [shape(mark), words]);
  rows($("booths"), booths.entries(boothHeads.sorted(view.booths), now()), () => el("tr", {}));
  const line = [...view.alerts, ...view.urgent].find((one) => one.alert.id === opened);
  if (line) put($("detail-words"), line, detail);
}

function choose(id) {
  current = id;
  draw();
  const one = [...$("alerts").children].find((each) => each.dataset.id === id);
  one?.focus({ preventScroll: true });
  one?.scrollIntoView({ block: "nearest" });
}
function open(id) {
  if (!id) return;
  opened = id;
  $("detail").hidden = false;
  document.body.dataset.detail = "open";
  draw();
  $("detail").scrollTop = 0;
}
function shut() {
  opened = null;
  $("detail").hidden = true;
  delete document.body.dataset.detail;
  put($("detail-words"), "");
}
function step(by) {
  const ids = view ? shown().map((line) => line.alert.id) : [];
  if (!ids.length) return;
  const inside = $("alerts").contains(document.activeElement), at = ids.indexOf(current);
  choose(ids[inside ? Math.min(Math.max(at + by, 0), ids.length - 1) : Math.max(at, 0)]);
  if (opened) open(current);
}
function search(text) {
  $("search").value = text;
  line.ask({ search: text.trim(), limit: STEP });
}
function leave() {
  if (opened) { shut(); choose(current); } else if (question.search || $("search").value) search("");
}
function showUrgent() {
  const [first] = view ? seen.open(view.urgent) : [];
  if (!first) return;
  if (!view.alerts.includes(first)) search("");
  if (!alertHeads.isFirst()) alertHeads.sort("urgency");
  choose(first.alert.id);
  open(first.alert.id);
}
const orders = {
  j: () => step(1), k: () => step(-1), arrowdown: () => step(1), arrowup: () => step(-1),
  home: () => step(-Infinity), end: () => step(Infinity), enter: () => open(current), escape: leave,
  "/": () => { $("search").focus(); $("search").select(); }, "?": () => $("help").showModal(),
  a: () => { if (view) { seen.add(view.urgent); draw(); } }, s: () => sound.toggle(), u: () => { if (!alertHeads.isFirst()) alertHeads.sort("urgency"); },
  g: showUrgent, b: () => $("booth-scroll").focus(),
  r: () => { const record = $("detail-words").querySelector("details"); if (record) { record.open = !record.open; record.scrollIntoView({ block: record.open ? "start" : "nearest" }); } },
};
const PRESSED = "button, summary", SCROLLED = "pre, .own-arrows";
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key.toLowerCase(), at = document.activeElement;
  if (at === $("search")) {
    if (key === "escape") { search(""); at.blur(); event.preventDefault(); }
    if (key === "enter" || key === "arrowdown") { event.preventDefault(); at.blur(); step(0); }
    return;
  }
  // What has the focus keeps the keys that move or press it.
  if ((key === "enter" && at?.matches(PRESSED)) || (/^(arrow|home|end)/.test(key) && at?.matches(SCROLLED))) return;
  const act = orders[key];
  if (!act || (event.repeat && !["j", "k", "arrowdown", "arrowup"].includes(key))) return;
  event.preventDefault();
  act();
});
for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => orders[button.dataset.key]());
let typed = 0;
$("search").addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(() => search($("search").value), 250); });
$("search-form").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", () => line.ask({ limit: Math.min(question.limit + STEP, MOST) }));
$("help-close").addEventListener("click", () => $("help").close());

const line = listen((next, asked) => {
  view = next;
  question = asked;
  received = performance.now();
  document.body.dataset.line = "up";
  draw();
}, () => {
  document.body.dataset.line = "lost";
  put($("lost-words"), "NO CONNECTION TO HEADQUARTERS’ DESK");
  put($("lost-since"), `Since ${clock(new Date().toISOString())} UTC. ${view ? `The list stands as it was at ${clock(now())} UTC.` : ""} This page comes back by itself.`);
  draw();
});
setInterval(() => { try { draw(); } catch (error) { line.lose(error); } }, 1000);
