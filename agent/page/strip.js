// The last minute of the lane's portal: counts as bars, alarms as hatched bands with a mark. Time runs from left to
// right in every language.
import { svg } from "./draw.js";
import { t, tn } from "./texts.js";

const WIDTH = 300, LEFT = 8, RIGHT = 292, SECONDS = 60;
const x = (ago) => RIGHT - (Math.min(Math.max(ago, 0), SECONDS) / SECONDS) * (RIGHT - LEFT);

function interval(samples) {
  const gaps = samples.slice(1).map(([ago], place) => Math.abs(samples[place][0] - ago)).filter((gap) => gap > 0.01);
  return gaps.length ? Math.min(...gaps) : 1;
}
// One channel between two heights; `lines` are [class, counts] to draw across. A gap in the readings is a gap here.
function channel(samples, { name, top, bottom, mark, lines }) {
  const step = interval(samples);
  const most = Math.max(1, ...samples.map(([, counts]) => counts), ...lines.map(([, counts]) => counts)) * 1.12;
  const y = (counts) => bottom - (counts / most) * (bottom - top);
  const parts = samples.map(([ago, counts]) =>
    svg("rect", { class: name, x: x(ago + step), y: y(counts), width: Math.max(0.6, x(ago) - x(ago + step)), height: bottom - y(counts) }));
  const alarms = samples.filter(([, , alarm]) => alarm).map(([ago]) => [x(ago + step), x(ago)]).sort((a, b) => a[0] - b[0]);
  const bands = [];
  for (const [from, to] of alarms) {
    if (bands.length && from - bands.at(-1)[1] < 0.8) bands.at(-1)[1] = to; else bands.push([from, to]);
  }
  return [
    ...bands.map(([from, to]) => svg("rect", { class: "band", x: from, y: top, width: Math.max(1, to - from), height: bottom - top })),
    ...parts,
    ...lines.map(([kind, counts]) => svg("line", { class: kind, x1: LEFT, x2: RIGHT, y1: y(counts), y2: y(counts) })),
    svg("line", { class: "axis", x1: LEFT, x2: RIGHT, y1: bottom, y2: bottom }),
    ...bands.map(([from, to]) => svg("path", { class: "mark", d: mark((from + to) / 2, top - 7) })),
  ];
}
const triangle = (at, y) => `M${at} ${y - 6}l6 11h-12Z`;
const diamond = (at, y) => `M${at} ${y - 6}l6 6-6 6-6-6Z`;

// `late`: seconds since the values were sent, by which everything has moved to the left.
export function strip(radiation, late) {
  const [gamma, neutron] = [radiation.strip ?? [], radiation.neutron ?? []].map((samples) =>
    samples.map(([ago, counts, alarm]) => [ago + late, counts, alarm]).filter(([ago]) => ago <= SECONDS));
  const lines = [["threshold", radiation.threshold], ["background", radiation.background_cps && radiation.background_cps * interval(gamma)]]
    .filter(([, counts]) => counts && gamma.length);
  const told = (name, samples) => (samples.length
    ? [t("{channel}: highest {n} counts.", { channel: name, n: Math.max(...samples.map(([, counts]) => counts)) }),
      tn("{n} interval in alarm.", "{n} intervals in alarm.", samples.filter(([, , alarm]) => alarm).length)].join(" ")
    : t("{channel}: no reading.", { channel: name }));
  // The dashes stay before their word, whichever way the word is read.
  const legend = lines.map(([kind]) => (kind === "threshold" ? `\u2066– – \u2068${t("threshold")}\u2069\u2069` : `\u2066···· \u2068${t("background")}\u2069\u2069`)).join("   ");
  return svg("svg", { class: "strip", viewBox: `0 0 ${WIDTH} 168`, role: "img",
    "aria-label": [t("The last 60 seconds."), told(t("Gamma"), gamma), told(t("Neutrons"), neutron)].join(" ") },
    svg("defs", {}, svg("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "hatch", width: 2.5, height: 6 }))),
    svg("text", { x: LEFT, y: 11 }, t("Gamma")),
    channel(gamma, { name: "gamma", top: 28, bottom: 92, mark: triangle, lines }),
    lines.length > 0 && svg("text", { x: RIGHT, y: 11, "text-anchor": "end" }, legend),
    svg("text", { x: LEFT, y: 110 }, t("Neutrons")),
    channel(neutron, { name: "neutron", top: 124, bottom: 150, mark: diamond, lines: [] }),
    svg("text", { x: LEFT, y: 164 }, t("60 s ago")),
    svg("text", { x: RIGHT, y: 164, "text-anchor": "end" }, t("now")),
    gamma.length || neutron.length ? null : svg("text", { class: "empty", x: WIDTH / 2, y: 64, "text-anchor": "middle" }, t("No passage in the last minute")));
}
