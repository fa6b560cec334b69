// Why a candidate is one, as a table: what the document says, what the notice says, how they met, and for how many points.
// The name first, then the other fields, in each group the weightiest line first: what decided is what is looked at first.
import { el, shape, svg } from "./draw.js";
import { number } from "./figures.js";
import { t, tr } from "./texts.js";
import { FIELDS } from "./words.js";

const OF_NAMES = ["whole_name", "name", "surname", "given", "given_names"], CODES = ["birth", "birth_date", "document", "document_number"];
const WIDE = 56, HIGH = 8, LEAST = 3; // a bar is full at the weightiest line's points, and at three at least
const sum = (lines) => lines.reduce((whole, one) => whole + one.points, 0);
const signed = (points) => el("bdi", { dir: "ltr" }, `${points > 0 ? "+" : points < 0 ? "−" : ""}${number(Math.abs(points), 2, 2)}`);
// The shape that marks a line, a class for its ground, and the word that is read out.
const bearing = (points) => (points > 0 ? ["CLEAR", "agrees", t("speaks for it")] : points < 0 ? ["CHECK", "against", t("speaks against it")] : ["NONE", "neutral", t("neutral")]);

// To one side of the line in the middle what speaks for it, to the other what speaks against; the figure says the same.
function bar(points, most) {
  const middle = WIDE / 2, long = Math.max(1, Math.abs(points) / most * (middle - 1));
  return svg("svg", { class: "bar", viewBox: `0 0 ${WIDE} ${HIGH}`, "aria-hidden": "true" },
    points !== 0 && svg("rect", { class: points > 0 ? "for" : "contra", x: points > 0 ? middle : middle - long, y: points > 0 ? 0.5 : 2, width: long, height: points > 0 ? HIGH - 1 : HIGH - 4 }),
    svg("path", { d: `M${middle} 0V${HIGH}` }));
}
// A name in its own letters, with its Latin reading under it: `يوسف (YUSUF)`. Its language is not the page's.
function spelled(text) {
  const [, own, reading] = /^(.+) \(([^()]+)\)$/s.exec(text) ?? [null, text, null];
  const long = /\S{11}/.test(own) && "long";
  return [el("bdi", { lang: "und", class: long, translate: "no" }, own), reading && el("span", { class: "reading" }, el("bdi", { lang: "und", translate: "no" }, reading))];
}
const value = (one, text) => (text === "" ? [el("span", { class: "none" }, "–")] : CODES.includes(one.field) ? [el("bdi", { dir: "ltr", translate: "no" }, text)] : spelled(text));
const label = (one) => one.field !== "name" && el("span", { class: "field" }, FIELDS[one.field] ? tr(FIELDS[one.field]) : one.field);
function line(one, most) {
  const [mark, kind, says] = bearing(one.points);
  return el("tr", { class: kind }, el("th", { scope: "row" }, label(one), ...value(one, one.query)), el("td", {}, ...value(one, one.candidate)),
    el("td", { class: "how" }, shape(mark), el("span", {}, tr(one.why), el("span", { class: "unseen" }, `, ${says}`))),
    el("td", { class: "points" }, bar(one.points, most), signed(one.points)));
}
function group(title, lines, most) {
  if (!lines.length) return null;
  // The whole name stands above its words.
  const order = [...lines].sort((one, other) => (other.field === "whole_name") - (one.field === "whole_name") || Math.abs(other.points) - Math.abs(one.points));
  return el("tbody", {}, el("tr", { class: "group" }, el("th", { scope: "rowgroup", colspan: 3 }, title), el("td", { class: "points" }, signed(sum(lines)))), order.map((one) => line(one, most)));
}
// `match` is a notice with its grade, score and reasons.
export function reasonsTable(match) {
  const lines = match.reasons ?? [], isName = (one) => OF_NAMES.includes(one.field);
  const most = Math.max(LEAST, ...lines.map((one) => Math.abs(one.points)));
  return el("table", { class: "reasons", "aria-label": t("Reasons") },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("Document")), el("th", { scope: "col" }, t("Notice")), el("th", { scope: "col" }, t("How they met")), el("th", { scope: "col", class: "points" }, t("Points")))),
    group(t("Name"), lines.filter(isName), most), group(t("Other fields"), lines.filter((one) => !isName(one)), most),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row", colspan: 3 }, t("All lines together"), " ", el("span", { class: "score" }, t("score {score}", { score: number(match.score, 2, 2) }))),
      el("td", { class: "points" }, signed(sum(lines))))));
}
