// The booths: which are heard, what they hold, whose chain is not whole, and what is to be done. The most troubled first.
import * as disk from "./disk.js";
import { el, shape } from "./draw.js";
import { age, number } from "./figures.js";
import { between, clock, country, countryName, day, detector, facts, marked } from "./say.js";
import { t, tn, tr } from "./texts.js";
import { LEDGERS, MIRRORS, REVOKED } from "./words.js";

const SILENT_S = 660; // a heartbeat comes every five minutes: two are missing, and a minute's grace
const MOST = 200, WELL = 7;
const mirror = (booth) => marked(MIRRORS, booth.mirror_state.toUpperCase(), "CANNOT CLEAR");
// As it was when the booth was last heard, and the time since.
const oldest = (booth, now) => (booth.oldest_undelivered_s == null ? null : age(booth.oldest_undelivered_s + Math.max(0, between(booth.heard_at, now) ?? 0)));

// A fault as headquarters' desk words it: of the ledger, of a part, or of the booth as a whole.
function fault(text) {
  const [, ledger, at, times] = /^(.+ ledger) \((\S+?)(?:, (\d+) times)?\)$/.exec(text) ?? [];
  if (LEDGERS[ledger]) return facts(tr(LEDGERS[ledger]), t("last seen {day} {time}", { day: day(at), time: clock(at) }), times && tn("{n} time", "{n} times", Number(times)));
  const [, part, state] = /^([^:]+): (\S+)$/.exec(text) ?? [];
  if (part) return t("{part}: {state}. The booth judges without it; have a technician look.", { part, state: detector(state)[1] });
  return tr(REVOKED[text] ?? text);
}
// [rank, shape, word, what to do] of all that is wrong with a booth, the gravest first.
export function troubles(booth, now) {
  const heard = between(booth.heard_at, now), [held, holds, renew] = mirror(booth), found = [];
  if (booth.forks > 0) found.push([0, "STOP", t("FORK"), tn("{n} place of its chain is signed twice with other content: its disk was put back, copied or changed. Visit the booth.", "{n} places of its chain are signed twice with other content: its disk was put back, copied or changed. Visit the booth.", booth.forks)]);
  if (heard == null) found.push([1, "CANNOT CLEAR", t("never heard"), t("Nothing has come from it yet. Ask there whether its link runs, or fetch its alerts by stick.")]);
  else if (heard > SILENT_S) found.push([2, "CANNOT CLEAR", t("not heard"), t("Nothing was heard for {age}. Telephone the booth: its alerts wait there until its line or a stick brings them.", { age: age(heard) })]);
  const purge = disk.trouble(booth, now);
  if (purge?.[0] === "STOP") found.push([3, ...purge]);
  for (const text of booth.faults) found.push([3, "CHECK", t("fault"), fault(text)]);
  if (booth.gaps > 0) found.push([4, "CHECK", t("gap"), tn("{n} gap in its chain: something was sent that has not arrived. If it stays, ask the booth by telephone what it has raised.", "{n} gaps in its chain: something was sent that has not arrived. If they stay, ask the booth by telephone what it has raised.", booth.gaps)]);
  if (heard != null && held !== "CLEAR") found.push([5, held, holds, renew || t("Ask the booth what its notices are.")]);
  if (purge?.[0] === "CHECK") found.push([6, ...purge]);
  if (booth.undelivered > 0) found.push([6, "CHECK", t("waiting"), t("What waits there has not arrived here. If it does not become less, look at its line or send a stick.")]);
  return found;
}
// [rank, shape, word]: a booth is shown with the worst that is known of it.
export const state = (booth, now) => troubles(booth, now)[0] ?? [WELL, "CLEAR", t("in order")];

export function columns(now) {
  return [
    { key: "state", title: () => t("State"), of: (one) => state(one, now())[0] },
    { key: "booth", title: () => t("Booth"), of: (one) => one.booth },
    { key: "heard", title: () => t("Last heard"), of: (one) => between(one.heard_at, now()), first: -1 },
    { key: "mirror", title: () => t("Notices held"), of: (one) => one.mirror_age_s, first: -1 },
    { key: "undelivered", title: () => t("Undelivered"), of: (one) => one.undelivered, first: -1 },
    { key: "purged", title: () => t("Withdrawn notices"), of: disk.order },
    { key: "links", title: () => t("Its chain"), of: (one) => one.forks * 1e6 + one.gaps, first: -1 },
    { key: "todo", title: () => t("What to do"), of: (one) => troubles(one, now()).length, first: -1 },
  ];
}
const sign = (mark, ...words) => el("span", { class: "sign" }, shape(mark), el("span", {}, ...words));
function links(booth) {
  const words = [booth.forks > 0 && tn("{n} fork", "{n} forks", booth.forks), booth.gaps > 0 && tn("{n} gap", "{n} gaps", booth.gaps)];
  return sign(booth.forks > 0 ? "STOP" : booth.gaps > 0 ? "CHECK" : "CLEAR", facts(words) || t("whole"));
}
function waits(booth, now) {
  if (booth.undelivered === 0) return t("none");
  const old = oldest(booth, now);
  return [el("strong", {}, number(booth.undelivered)), old && el("small", {}, t("the oldest {age}", { age: old }))];
}
// The gravest first, in full; the rest opens, and stays open while the row is drawn anew.
const unfolded = new Set();
function todo(booth, wrong) {
  if (!wrong.length) return el("span", { class: "empty" }, t("nothing"));
  const item = ([, mark, , text]) => el("p", {}, shape(mark), el("span", {}, text)), [first, ...rest] = wrong;
  if (!rest.length) return item(first);
  const more = el("details", { open: unfolded.has(booth.booth) && "" }, el("summary", {}, tn("and {n} more: {what}", "and {n} more: {what}", rest.length, { what: facts([...new Set(rest.map(([, , word]) => word))]) })), rest.map(item));
  more.addEventListener("toggle", () => { if (more.open) unfolded.add(booth.booth); else unfolded.delete(booth.booth); });
  return [item(first), more];
}
function cells(booth, now, told, opened) {
  const [, mark, word] = state(booth, now), wrong = troubles(booth, now), [held, says] = mirror(booth);
  return [
    el("td", { class: "state" }, sign(mark, el("strong", {}, word))),
    el("th", { scope: "row", class: "booth" }, el("button", { type: "button", class: "opens", "data-booth": booth.booth, "aria-expanded": String(opened), "aria-controls": "detail" }, el("bdi", { dir: "ltr" }, booth.booth), el("span", { class: "unseen" }, ` ${t("what changed there")}`)), el("small", {}, countryName(booth.country) ? country(booth.country) : booth.country)),
    el("td", { class: "heard" }, told),
    el("td", { class: "mirror" }, sign(held, says, booth.mirror_age_s != null && el("small", {}, age(booth.mirror_age_s)))),
    el("td", { class: "undelivered" }, waits(booth, now)),
    el("td", { class: "purged" }, disk.cell(booth)),
    el("td", { class: "links" }, links(booth)),
    el("td", { class: "todo" }, todo(booth, wrong)),
  ];
}
// `opened`: the booth whose changes are shown.
export function entries(booths, now, opened) {
  return booths.slice(0, MOST).map((one) => {
    const heard = between(one.heard_at, now), told = heard == null ? t("never") : t("{age} ago", { age: age(heard) });
    return [one.booth, JSON.stringify([one, told, oldest(one, now), troubles(one, now), one.booth === opened]), () => cells(one, now, told, one.booth === opened)];
  });
}
// What the head of the panel says: [shape, words].
export function summary(booths, now) {
  const worst = booths.map((one) => state(one, now)).filter(([rank]) => rank < WELL).sort(([one], [other]) => one - other);
  const many = (test) => worst.filter(([rank]) => test(rank)).length;
  const [forked, silent, other] = [many((rank) => rank === 0), many((rank) => rank === 1 || rank === 2), many((rank) => rank > 2)];
  const mark = worst[0]?.[1] ?? (booths.length ? "CLEAR" : "NONE");
  return [mark, facts(tn("{n} booth", "{n} booths", booths.length), forked > 0 && tn("{n} with a fork", "{n} with a fork", forked), silent > 0 && tn("{n} not heard", "{n} not heard", silent),
    other > 0 && tn("{n} to look at", "{n} to look at", other), booths.length > 0 && !worst.length && t("all in order"), booths.length > MOST && t("the first {n} are shown", { n: MOST }))];
}
