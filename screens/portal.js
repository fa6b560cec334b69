// The panels of a portal as a small picture: which of them saw it. Its text says the same to who does not see it.
import { el, svg } from "./draw.js";
import { number } from "./figures.js";
import { t } from "./texts.js";

// Four panels are two pillars, each low and high, in the order of the line: 1 low and 2 high, 3 low and 4 high.
const FOUR = [["1", 0, 1], ["2", 0, 0], ["3", 1, 1], ["4", 1, 0]];
const WIDE = 224, PANEL = 64, HIGH = 40, GAP = 6;
const name = (place, four) => (!four ? t("Panel {n}", { n: place + 1 })
  : [t("Panel 1, first pillar, low"), t("Panel 2, first pillar, high"), t("Panel 3, second pillar, low"), t("Panel 4, second pillar, high")][place]);

function panel(counts, x, y, most, label) {
  return [svg("rect", { class: `panel${most ? " most" : ""}`, x, y, width: PANEL, height: HIGH, rx: 4 }),
    svg("text", { class: "label", x: x + 6, y: y + 14 }, label),
    svg("text", { class: "counts", x: x + PANEL / 2, y: y + 32, "text-anchor": "middle" }, number(counts)),
    // Not by its weight alone: a filled corner marks the strongest.
    most && svg("path", { class: "flag", d: `M${x + PANEL - 16} ${y}h16v16Z` })].filter(Boolean);
}
// portal(counts of each panel, whether it is an alarm): in an alarm the strongest is marked.
export function portal(counts, alarm) {
  const most = alarm ? Math.max(1, ...counts) : Infinity, four = counts.length === 4;
  const said = counts.map((one, place) => (one === most ? t("{panel}: {counts}, most", { panel: name(place, four), counts: number(one) }) : t("{panel}: {counts}", { panel: name(place, four), counts: number(one) })));
  const places = four ? FOUR.map(([label, pillar, row]) => [label, pillar ? WIDE - PANEL - 1 : 1, 1 + row * (HIGH + GAP)])
    : counts.map((_, place) => [String(place + 1), 1 + place * (PANEL + GAP), 1]);
  const width = four ? WIDE : counts.length * (PANEL + GAP) - GAP + 2, height = four ? 2 * HIGH + GAP + 2 : HIGH + 2;
  return el("figure", { class: "portal" },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said.join("; "), direction: "ltr" },
      four && svg("path", { class: "way", d: `M${WIDE / 2} ${height - 8}V12m-9 10 9-12 9 12` }),
      counts.map((one, place) => panel(one, places[place][1], places[place][2], one === most, places[place][0])).flat()),
    four && el("figcaption", {}, t("The first pillar stands on the left.")));
}
