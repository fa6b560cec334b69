// The booths: which are heard, what they hold, and whose chain is not whole. The most troubled come first.
import { el, shape } from "./draw.js";
import { age, between, country, count, number } from "./say.js";
import { MIRRORS } from "./words.js";
const SILENT_S = 660; // a heartbeat comes every five minutes: two are missing, and a minute's grace
const MOST = 200;
const mirror = (booth) => MIRRORS[booth.mirror_state.toUpperCase()] ?? ["CANNOT CLEAR", booth.mirror_state];

// [rank, shape, word]: a booth is shown with the worst that is known of it.
export function state(booth, now) {
  const heard = between(booth.heard_at, now);
  if (booth.forks > 0) return [0, "STOP", "FORK"];
  if (heard == null) return [1, "CANNOT CLEAR", "never heard"];
  if (heard > SILENT_S) return [2, "CANNOT CLEAR", "not heard"];
  if (booth.faults.length) return [3, "CHECK", "fault"];
  if (booth.gaps > 0) return [4, "CHECK", "gap"];
  if (mirror(booth)[0] !== "CLEAR") return [5, "CHECK", "notices"];
  if (booth.undelivered > 0) return [6, "CHECK", "waiting"];
  return [7, "CLEAR", "in order"];
}
export function columns(now) {
  return [
    { key: "state", title: "State", of: (one) => state(one, now())[0] },
    { key: "booth", title: "Booth", of: (one) => one.booth },
    { key: "land", title: "Country", of: (one) => country(one.country) },
    { key: "heard", title: "Last heard", of: (one) => between(one.heard_at, now()), first: -1 },
    { key: "mirror", title: "Notices held", of: (one) => one.mirror_age_s, first: -1 },
    { key: "undelivered", title: "Undelivered", of: (one) => one.undelivered, first: -1 },
    { key: "gaps", title: "Gaps", of: (one) => one.gaps, first: -1 },
    { key: "forks", title: "Forks", of: (one) => one.forks, first: -1 },
    { key: "faults", title: "Faults", of: (one) => one.faults.length, first: -1 },
  ];
}
const counted = (kind, value) => el("td", { class: `${kind} count${value ? " some" : ""}` }, number(value));
export function entries(booths, now) {
  return booths.slice(0, MOST).map((one) => {
    const heard = between(one.heard_at, now), [, sign, word] = state(one, now), [held, says] = mirror(one);
    const told = heard == null ? "never" : `${age(heard)} ago`;
    const draw = () => [
      el("td", { class: "state" }, el("span", { class: "sign" }, shape(sign), el("strong", {}, word))),
      el("th", { scope: "row", class: "booth" }, el("bdi", {}, one.booth)),
      el("td", { class: "land" }, country(one.country)),
      el("td", { class: "heard" }, told),
      el("td", { class: "mirror" }, el("span", { class: "sign" }, shape(held), `${says}${one.mirror_age_s == null ? "" : `, ${age(one.mirror_age_s)}`}`)),
      counted("undelivered", one.undelivered), counted("gaps", one.gaps), counted("forks", one.forks),
      el("td", { class: "faults" }, one.faults.length ? one.faults.map((fault) => el("p", {}, fault)) : "–"),
    ];
    return [one.booth, JSON.stringify([one, told, word]), draw];
  });
}
// What the head of the panel says: [shape, words].
export function summary(booths, now) {
  const words = booths.map((one) => state(one, now)).filter(([rank]) => rank < 7);
  const many = (name, test) => { const found = words.filter(([rank]) => test(rank)).length; return found ? `${number(found)} ${name}` : null; };
  const parts = [many("with a fork", (rank) => rank === 0), many("not heard", (rank) => rank === 1 || rank === 2), many("to look at", (rank) => rank > 2)].filter(Boolean);
  const worst = words.sort(([one], [other]) => one - other)[0]?.[1] ?? (booths.length ? "CLEAR" : "NONE");
  const more = booths.length > MOST ? ` The first ${MOST} are shown.` : "";
  return [worst, `${count(booths.length, "booth")}: ${parts.join(", ") || (booths.length ? "all in order" : "none enrolled")}.${more}`];
}
