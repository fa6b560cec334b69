// What changed at one booth: what is not OK there now, then its changes, the newest first, in the words of the tables.
import { disk } from "./disk.js";
import { el, shape } from "./draw.js";
import { chain, clock, day, facts, full, marked } from "./say.js";
import { t, tn, tr } from "./texts.js";
import { CONDITIONS, DETECTORS, MIRRORS, PARTS } from "./words.js";

const sign = (mark, ...words) => el("span", { class: "sign" }, shape(mark), el("span", {}, ...words));
// "lane north", "portal-1 background" and "portal-1 set-up" tell settings: lines of the booth's own, neither good nor bad.
const [LANE, OF_DEVICE, EXCHANGED] = [/^lane (.+)$/, /^(\S+) (background|set-up)$/, /^exchanged (\S+)$/];
function part(name) {
  const lane = LANE.exec(name)?.[1], [, device, what] = OF_DEVICE.exec(name) ?? [];
  if (lane) return t("Settings of lane {lane}", { lane });
  if (device) return what === "background" ? t("Background of {device}", { device }) : t("Set-up of {device}", { device });
  return tr(PARTS[name] ?? name);
}
// [shape, word] of a state, and null of a line of settings, which is shown as it is.
function state(name, code) {
  const refused = /^refused (.+)$/.exec(code)?.[1];
  if (name === "feed" && refused) return ["CHECK", t("refused: {reason}", { reason: refused })];
  const exchanged = / key$/.test(name) && EXCHANGED.exec(code)?.[1];
  if (exchanged) return ["NONE", t("exchanged {time} UTC", { time: full(exchanged) })];
  const table = name === "mirror" && code in MIRRORS ? MIRRORS : code in CONDITIONS ? CONDITIONS : DETECTORS;
  if (code in table) return marked(table, code);
  return name.includes(" ") ? null : marked(table, code);
}
function told(name, code) {
  const [mark, word] = state(name, code) ?? ["NONE", null];
  return mark === "NONE" ? el("bdi", {}, word ?? (code || "–")) : sign(mark, word);
}
// The arrow is drawn in the direction of reading and not read out: the word beside it is.
function went({ part: name, was, now }) {
  if (LANE.test(name)) return [["was", t("Before:"), was || t("not told yet")], ["now", t("Now:"), now]].map(([kind, title, line]) => el("p", { class: kind }, el("small", {}, title), el("bdi", {}, line)));
  return el("p", { class: "went" }, el("span", { class: "was" }, told(name, was)), el("span", { class: "then", "aria-hidden": "true" }), el("span", { class: "unseen" }, ` ${t("then")} `), el("strong", { class: "now" }, told(name, now)));
}
function doubts({ change, chain: link, sequence }) {
  const [mark, linked] = chain(link);
  return [!change.at.trusted && el("p", { class: "why" }, sign("CHECK", t("clock not trusted"))),
    link !== "whole" && el("p", { class: "why" }, sign(mark, t("{state}, entry {sequence}", { state: linked, sequence: String(sequence) })))];
}
const detailed = ({ detail }) => detail && el("p", { class: "why" }, el("bdi", {}, detail));
function standing(line) {
  const { change } = line, [mark, word] = state(change.part, change.now);
  return el("article", { class: "candidate" },
    el("p", {}, sign(mark, el("strong", {}, el("bdi", {}, part(change.part)), ": ", word))),
    detailed(change), el("p", { class: "why" }, t("since {time} UTC", { time: full(change.at.wall) })), ...doubts(line));
}
function row(line) {
  const { change } = line;
  return el("tr", {}, el("td", { class: "time" }, clock(change.at.wall), el("small", {}, day(change.at.wall))),
    el("th", { scope: "row" }, el("bdi", {}, part(change.part))), el("td", {}, went(change), detailed(change), ...doubts(line)));
}
export const more = (told) => told.changes.length < told.total;
// `told`: a ChangesView of the desk; `line`: what its list says of the booth.
export function changes(told, line) {
  const { booth, total, changes: all, standing: wrong } = told;
  const heads = [t("Time (UTC)"), t("Part"), t("Change")].map((text) => el("th", { scope: "col" }, text));
  if (!total) return [el("p", { class: "sentence" }, el("bdi", { dir: "ltr" }, booth)), ...disk(line), el("p", { class: "empty" }, t("No change has come from this booth yet."))];
  return [
    el("p", { class: "sentence" }, el("bdi", { dir: "ltr" }, booth)),
    el("section", { class: "standing" }, el("h3", {}, t("Not OK now, as the booth told it last")),
      wrong.length ? wrong.map(standing) : el("p", {}, sign("CLEAR", t("Nothing: each part was OK when it told last.")))),
    ...disk(line),
    el("section", {}, el("h3", {}, t("What changed, the newest first")),
      el("p", { class: "empty" }, facts(tn("{n} change", "{n} changes", total), all.length < total && t("{n} shown", { n: all.length }))),
      el("table", { "aria-label": t("Changes"), class: "changes" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, all.map(row)))),
  ];
}
