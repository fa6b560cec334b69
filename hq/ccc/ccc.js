// The command centre's list: alerts by urgency, booths, the signal, and the keys.
import * as booths from "./booths.js";
import { changes, more } from "./changes.js";
import { detail } from "./detail.js";
import { $, el, put, shape } from "./draw.js";
import { acknowledge, officer, takeOver } from "./duty.js";
import { age, number } from "./figures.js";
import { keep, kept } from "./keep.js";
import { keyChoice, keys } from "./keys.js";
import { onRelease } from "./press.js";
import { acknowledged, alertsCount, attaching, between, category, chain, clock, countryName, day, facts, full, grounds, kind, marked, mirror, place, telling, verdict, whose } from "./say.js";
import { heads, rows } from "./table.js";
import { languageChoice, onLanguage, t, tn, tr } from "./texts.js";
import { speaker } from "./tone.js";
import { URGENCIES } from "./words.js";
import { listen } from "./wire.js";

const STEP = 200, CHANGES = 50, MOST = 1000;
// Three tones up, until somebody has acknowledged: [after, pitch].
const SIGNAL = [[0, 660], [0.34, 880], [0.68, 1175]], SIGNAL_S = 2.4;
const SOUND = "failsafe-ccc-sound";
let view = null, received = 0, question = { search: "", limit: STEP, booth: "", changes: CHANGES }, current = null, opened = null, lostAt = null;
let pending = null, fault = null, openBooth = null; // an alert or a booth is open, never both
const now = () => (view ? new Date(Date.parse(view.at) + performance.now() - received).toISOString() : "");
const up = () => document.body.dataset.line === "up";
const urgent = (line) => line.alert.urgency === "urgent";
const sign = (mark, ...words) => el("span", { class: "sign" }, shape(mark), el("span", {}, ...words));
const TELLING_ORDER = ["failing", "waiting", "sent", "not for CBRNE"], CHAIN_ORDER = ["fork", "gap before", "whole"];
const rank = (order, value) => { const found = order.indexOf(value); return found < 0 ? -1 : found; };

const ALERTS = [
  { key: "urgency", title: () => t("Urgency") },
  { key: "event", title: () => t("Event"), of: (one) => one.alert.at.wall, first: -1 },
  { key: "arrived", title: () => t("Arrived"), of: (one) => one.number, first: -1 },
  { key: "point", title: () => t("Crossing point"), of: (one) => `${countryName(one.alert.place.country) ?? one.alert.place.country} ${one.alert.place.crossing_point} ${one.alert.place.lane ?? ""}` },
  { key: "who", title: () => t("Who"), of: (one) => whose(one.alert.person ?? attaching(one)?.finding.person) },
  { key: "why", title: () => t("Why"), of: (one) => kind(one.alert) },
  { key: "mirror", title: () => t("Notices’ age"), of: (one) => one.alert.mirror_age_s ?? Infinity, first: -1 },
  { key: "chain", title: () => t("Chain"), of: (one) => rank(CHAIN_ORDER, one.chain) },
  { key: "cbrne", title: () => t("CBRNE"), of: (one) => rank(TELLING_ORDER, telling(one)[0]) },
];
const alertHeads = heads($("alert-heads"), ALERTS, () => draw());
const boothHeads = heads($("booth-heads"), booths.columns(now), () => draw());

// The word as the radio and the telephone have it stays beside its translation.
const judged = (code) => facts(verdict(code), verdict(code) !== code && code);
function who(line) {
  const attached = attaching(line)?.finding.person, person = line.alert.person ?? attached;
  if (!person) return el("span", { class: "empty" }, t("no identity"));
  const known = facts(person.birth_date && t("born {date}", { date: person.birth_date }), person.nationality, person.repaired && t("zone repaired"));
  return [el("bdi", { class: "name" }, whose(person)), known && el("small", {}, known), !line.alert.person && el("small", {}, t("attached, no match"))];
}
function why(line) {
  const { alert, findings, acknowledged: seen } = line, kindFound = category(line);
  const found = grounds(alert), more = found.length - 2, last = findings?.at(-1);
  return [found.length ? null : kind(alert),
    found.slice(0, 2).map(([mark, what, reasons], at) => el("p", {}, shape(mark), el("span", {}, el("b", {}, what), at === 0 && reasons && el("small", {}, reasons)))),
    more > 0 && el("small", {}, tn("and {n} more", "and {n} more", more)),
    seen && el("p", { class: "seen" }, shape("CLEAR"), el("span", {}, acknowledged(seen))),
    last && el("p", { class: "finding" }, shape(kindFound?.[0] ?? "NONE"), el("span", {}, facts(kindFound?.[1], tn("{n} finding", "{n} findings", findings.length), clock(last.finding.at.wall))))];
}
function cells(line) {
  const { alert } = line, [mark, word] = marked(URGENCIES, alert.urgency), { place: at } = alert;
  const late = between(alert.at.wall, line.received_at), [held, old] = mirror(alert.mirror_age_s);
  const [told, state, words] = telling(line), [linked, whole] = chain(line.chain);
  return [
    el("td", { class: "urgency" }, urgent(line) ? sign(mark, el("strong", {}, word)) : word,
      alert.kind === "exercise" ? el("strong", { class: "exercise" }, t("EXERCISE")) : el("small", {}, judged(alert.verdict))),
    el("td", { class: "event" }, clock(alert.at.wall), alert.at.trusted ? el("small", {}, day(alert.at.wall)) : el("small", {}, sign("CHECK", t("clock not trusted")))),
    el("td", { class: "arrived" }, clock(line.received_at), el("small", {}, late >= 60 && alert.at.trusted ? t("{age} later", { age: age(late) }) : day(line.received_at))),
    el("td", { class: "point" }, el("bdi", {}, at.crossing_point), el("small", {}, facts(countryName(at.country) ?? at.country, at.lane && t("lane {lane}", { lane: at.lane }))), el("small", {}, el("bdi", { dir: "ltr" }, at.booth))),
    el("td", { class: "who" }, who(line)),
    el("td", { class: "why" }, why(line)),
    el("td", { class: "mirror" }, sign(held, old)),
    el("td", { class: "chain" }, sign(linked, whole)),
    el("td", { class: "cbrne" }, told === "not for CBRNE" ? el("span", { class: "empty" }, t("not told")) : sign(state, words)),
  ];
}
function row(id) {
  const made = el("tr", { tabindex: "-1" });
  made.dataset.number = id;
  made.addEventListener("click", () => { choose(id); open(id); });
  return made;
}
const shown = () => alertHeads.sorted(view.alerts);
const rowOf = (id) => [...$("alerts").children].find((one) => Number(one.dataset.number) === id);

function alerts() {
  const list = shown(), waiting = new Set(view.waiting.map((line) => line.number));
  if (current !== opened && !list.some((line) => line.number === current)) current = list[0]?.number ?? null;
  rows($("alerts"), list.map((line) => [line.number, line, () => cells(line)]), row);
  const pressing = new Set(list.filter(urgent).map((line) => line.number));
  for (const one of $("alerts").children) {
    const id = Number(one.dataset.number);
    one.className = `${pressing.has(id) ? "urgent" : "routine"}${waiting.has(id) ? " waiting" : ""}`;
    one.tabIndex = id === current ? 0 : -1;
    if (id === current) one.setAttribute("aria-current", "true"); else one.removeAttribute("aria-current");
  }
  const { search } = question, all = number(view.all);
  const many = search ? tn("{n} alert found for “{search}” among {all}", "{n} alerts found for “{search}” among {all}", view.total, { search, all }) : alertsCount(view.total);
  put($("shown"), facts(many, view.alerts.length < view.total && t("{n} shown", { n: view.alerts.length }), !alertHeads.isFirst() && t("sorted by {column}", { column: alertHeads.title() })));
  put($("said"), search && many); // only what was asked for is read out: arrivals would never let anybody finish
  put($("none"), list.length ? "" : search ? t("No alert has all of these words. Esc leaves the search.") : t("No alert has arrived yet."));
  $("more").hidden = view.alerts.length >= view.total || question.limit >= MOST;
}
const opening = () => view?.waiting.find((line) => line.number === opened);
function ringing() {
  const waiting = view?.waiting ?? [], [first] = waiting, total = view?.waiting_total ?? 0;
  sound.ring(waiting.length > 0);
  put($("ringing-words"), waiting.length > 0 && [total, place(first.alert.place), kind(first.alert)], ([many, at, what]) => [shape("STOP"),
    el("strong", {}, tn("{n} urgent alert not acknowledged", "{n} urgent alerts not acknowledged", many)), el("span", {}, t("Newest: {what}, {place}", { what, place: at }))]);
  put($("acknowledge-words"), opening() ? t("Acknowledge this one") : waiting.length > 1 ? tn("Acknowledge {n}", "Acknowledge all {n}", waiting.length) : t("Acknowledge"));
  put($("ringing-fault"), waiting.length > 0 && fault && tr(fault));
  $("ringing").hidden = !waiting.length;
  document.title = facts(waiting.length > 0 && t("({n}) URGENT", { n: total }), !up() && t("NO CONNECTION"), t("Command centre"), "Fail Safe Edge");
}
// Only what does not change is read out; how long ago it was goes on.
function confirming() {
  const late = view?.late;
  put($("late-words"), Boolean(late), () => [shape("CHECK"), el("span", {}, t("Booths are no longer told that their notices are current."))]);
  put($("late-since"), late && (late.signed_at
    ? t("Headquarters’ timestamp was last signed {age} ago, {moment} UTC.", { age: age(between(late.signed_at, now())), moment: full(late.signed_at) })
    : t("Headquarters’ timestamp cannot be read.")));
  $("late").hidden = !late;
}
function standing() {
  put($("sound"), [sound.on(), sound.wanted()], ([on, wanted]) => [el("kbd", {}, "S"), on ? t("Sound is on") : wanted ? t("NO SOUND YET: press any key") : t("SOUND IS OFF: turn on")]);
  $("sound").dataset.on = String(sound.on());
  put($("duty-officer"), [officer()], ([name]) => [el("kbd", {}, "D"), el("span", {}, name ? t("On duty: {officer}", { officer: name }) : t("Take the duty"))]);
  $("duty-officer").dataset.on = String(officer() != null);
}
function states() {
  const many = (state) => view.alerts.filter((line) => telling(line)[0] === state).length, failing = many("failing"), waiting = many("waiting");
  const broken = view.alerts.filter((line) => line.chain !== "whole").length;
  const told = failing ? ["STOP", tn("CBRNE: {n} FAILING", "CBRNE: {n} FAILING", failing)] : waiting ? ["CHECK", tn("CBRNE: {n} waiting", "CBRNE: {n} waiting", waiting)] : ["CLEAR", t("CBRNE: none waiting")];
  const links = broken ? ["CHECK", tn("Chains: {n} alert to look at", "Chains: {n} alerts to look at", broken)] : ["CLEAR", t("Chains: whole")];
  put($("states"), [told, links], (all) => all.map((one) => sign(...one)));
}
function draw() {
  ringing();
  confirming();
  standing();
  put($("lost-words"), up() || !lostAt ? t("CONNECTING TO HEADQUARTERS’ DESK") : t("NO CONNECTION TO HEADQUARTERS’ DESK"));
  put($("lost-since"), !up() && lostAt ? [t("Since {time} UTC.", { time: clock(lostAt) }), view && t("The list stands as it was at {time} UTC.", { time: clock(view.at) }), t("This page comes back by itself.")].filter(Boolean).join(" ") : "");
  if (!view || !up()) return;
  put($("utc"), t("{time} UTC", { time: clock(now()) }));
  states();
  alerts();
  put($("booth-summary"), booths.summary(view.booths, now()), ([mark, words]) => [shape(mark), words]);
  rows($("booths"), booths.entries(boothHeads.sorted(view.booths), now(), openBooth), () => el("tr", {}));
  const line = [...view.alerts, ...view.waiting].find((one) => one.number === opened);
  if (line) put($("detail-words"), line, detail);
  if (openBooth) theBooth();
}
const boothButton = (name) => [...$("booths").querySelectorAll("button.opens")].find((one) => one.dataset.booth === name);
function theBooth() {
  const told = view.changes?.booth === openBooth ? view.changes : null;
  const { purges, keys } = view.booths.find((one) => one.booth === openBooth) ?? {};
  put($("detail-words"), told ? [told, { purges, keys }] : t("Asking headquarters’ desk…"), told ? (both) => changes(...both) : undefined);
  $("more-changes").hidden = !told || !more(told) || question.changes >= MOST;
}

const sound = (() => {
  const wanted = () => kept(SOUND) !== "off", voice = speaker(() => draw()), on = () => wanted() && voice.live();
  const wake = () => { if (wanted() && !voice.live()) voice.open(); };
  for (const touch of ["keydown", "pointerdown"]) document.addEventListener(touch, wake);
  return {
    on, wanted,
    ring: (any) => voice.ring(any && on() ? SIGNAL : null, SIGNAL_S),
    async toggle() { keep(SOUND, on() ? "off" : "on"); wake(); draw(); },
  };
})();

function choose(id) {
  current = id;
  draw();
  const one = rowOf(id);
  one?.focus({ preventScroll: true });
  one?.scrollIntoView({ block: "nearest" });
}
function open(id) {
  if (!id) return;
  if (openBooth) asking("");
  opened = id;
  unfold();
}
function openChanges(booth) {
  opened = null;
  asking(booth);
  unfold();
  $("detail").focus({ preventScroll: true }); // it scrolls by the arrows, and its name is read out
}
function asking(booth) {
  openBooth = booth || null;
  line.ask({ booth, changes: CHANGES });
}
function unfold() {
  $("detail-alert").hidden = openBooth != null;
  $("detail-booth").hidden = openBooth == null;
  $("more-changes").hidden = true;
  $("detail").hidden = false;
  document.body.dataset.detail = "open";
  draw();
  $("detail").scrollTop = 0;
}
function shut() {
  opened = null;
  if (openBooth) asking("");
  $("detail").hidden = true;
  delete document.body.dataset.detail;
  put($("detail-words"), "");
}
function step(by) {
  const ids = view ? shown().map((line) => line.number) : [];
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
  const from = openBooth;
  if (from) { shut(); draw(); (boothButton(from) ?? $("booth-scroll")).focus(); } else if (opened) { shut(); choose(current); } else if (question.search || $("search").value) search("");
}
function showUrgent() {
  const [first] = view?.waiting ?? [];
  if (!first) return;
  if (!view.alerts.includes(first)) search("");
  if (!alertHeads.isFirst()) alertHeads.sort("urgency");
  choose(first.number);
  open(first.number);
}

// The one that is open, or all that this screen shows as waiting: what arrives in this moment goes on ringing.
function seen() {
  const mine = opening() ? [opening()] : view?.waiting ?? [];
  if (!mine.length) return;
  const numbers = mine.map((one) => one.number);
  if (officer()) write(numbers); else onDuty(numbers);
}
async function write(numbers) {
  fault = await acknowledge(numbers, officer(), line.token());
  draw();
}
function onDuty(numbers = null) {
  pending = numbers;
  $("duty-name").value = officer() ?? "";
  $("duty").showModal();
  $("duty-name").select();
}
$("duty-form").addEventListener("submit", (event) => {
  const name = $("duty-name").value.trim();
  if (!name) { event.preventDefault(); return; }
  takeOver(name);
  if (pending) write(pending);
  draw();
});
$("duty").addEventListener("close", () => { pending = null; });
$("duty-cancel").addEventListener("click", () => $("duty").close());

const orders = {
  j: () => step(1), k: () => step(-1), arrowdown: () => step(1), arrowup: () => step(-1),
  home: () => step(-Infinity), end: () => step(Infinity), enter: () => open(current), escape: leave,
  "/": () => { $("search").focus(); $("search").select(); }, "?": () => $("help").showModal(),
  a: seen, d: () => onDuty(), s: () => sound.toggle(), u: () => { if (!alertHeads.isFirst()) alertHeads.sort("urgency"); },
  g: showUrgent, b: () => $("booth-scroll").focus(),
  r: () => { const record = $("detail-words").querySelector("details"); if (record) { record.open = !record.open; record.scrollIntoView({ block: record.open ? "start" : "nearest" }); } },
};
// What has the focus keeps the keys that move or press it.
const PRESSED = "button, summary", SCROLLED = "pre, .own-arrows", MOVES = /^(arrow|home|end)/;
keys(orders, {
  repeats: ["j", "k", "arrowdown", "arrowup"],
  leaves: (key, at) => (key === "enter" && at?.matches(PRESSED)) || (MOVES.test(key) && at?.matches(SCROLLED)),
});
$("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { search(""); $("search").blur(); event.preventDefault(); }
  if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); $("search").blur(); step(0); }
});
for (const button of document.querySelectorAll("button[data-key]")) button.addEventListener("click", () => orders[button.dataset.key]());
keyChoice($("key-mode"));
$("search-form").addEventListener("submit", (event) => event.preventDefault());
let typed = 0;
$("search").addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(() => search($("search").value), 250); });
$("more").addEventListener("click", () => line.ask({ limit: Math.min(question.limit + STEP, MOST) }));
$("more-changes").addEventListener("click", () => line.ask({ changes: Math.min(question.changes + CHANGES, MOST) }));
$("booths").addEventListener("click", (event) => { const name = event.target.closest("button.opens")?.dataset.booth; if (name) openChanges(name); });
$("help-close").addEventListener("click", () => $("help").close());

const line = listen((next, asked) => {
  view = next;
  question = asked;
  received = performance.now();
  document.body.dataset.line = "up";
  draw();
}, () => {
  document.body.dataset.line = "lost";
  lostAt = new Date().toISOString();
  draw();
});
onLanguage(() => { alertHeads.draw(); boothHeads.draw(); draw(); });
alertHeads.draw();
boothHeads.draw();
languageChoice($("language"));
const redraw = () => { try { draw(); } catch (error) { line.lose(error); } };
onRelease(redraw);
setInterval(redraw, 1000);
