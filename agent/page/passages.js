// The alarm in detail: each passage of the crossing, channel by channel, as far as the detector told it.
import { el, shape } from "./draw.js";
import { portal } from "./portal.js";
import { clock, number } from "./say.js";
import { t, tn, tr } from "./texts.js";
import { DETECTORS, OWN_TESTS } from "./words.js";

const channelName = (channel) => (channel === "gamma" ? t("Gamma") : t("Neutrons"));
// Whose alarm: the device's word, the booth's own tests, or both.
const whose = (one) => (!one.alarm ? t("no alarm") : one.told || !one.own?.length ? t("the portal’s alarm") : t("the booth’s own alarm"));
// Panels by number; beside each own test how far it was above its threshold.
const numbered = (all) => all.map((one) => number(one)).join(", ");
const own = (one, panels) => el("span", {}, t("{test}: {strength}, threshold {threshold}", { test: tr(OWN_TESTS[one.test] ?? one.test), strength: number(one.strength, 1, 1), threshold: number(one.threshold, 1, 1) }),
  one.panels?.length > 0 && [" · ", one.panels.length === panels ? t("all panels") : tn("panel {panels}", "panels {panels}", one.panels.length, { panels: numbered(one.panels) })]);
function channel(one) {
  const rows = [
    one.peak_counts != null && [t("Peak"), tn("{n} count in {seconds} s", "{n} counts in {seconds} s", one.peak_counts, { seconds: one.interval_s })],
    one.times_background != null && [t("Against background"), t("{times} times", { times: number(one.times_background, 1, 1) })],
    one.background_cps != null && [t("Background"), t("{cps} per second", { cps: Math.round(one.background_cps * 10) / 10 })],
    one.threshold_counts != null && [t("Threshold"), tn("{n} count", "{n} counts", Math.round(one.threshold_counts))],
    one.own?.length > 0 && [t("Own tests"), one.own.map((test) => own(test, one.panels?.length))],
  ].filter(Boolean);
  return el("div", { class: "channel" },
    el("h4", {}, shape(one.alarm ? "STOP" : "NONE"), channelName(one.channel), el("span", {}, whose(one))),
    rows.length > 0 && el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), ...[value].flat().map((part) => el("dd", {}, part))])),
    one.peak_counts == null && el("p", { class: "empty" }, t("No interval of this channel came.")),
    one.panels?.length > 1 && portal(one.panels, one.alarm));
}
function passage(one) {
  const when = one.ended_at ? t("{from} to {until}", { from: clock(one.began_at), until: clock(one.ended_at) }) : t("since {from}, not ended", { from: clock(one.began_at) });
  return el("article", { class: "passage" },
    el("h3", {}, when, " ", el("small", {}, el("bdi", { dir: "ltr" }, one.detector), " · ", t("{seconds} s", { seconds: one.duration_s }))),
    !one.monitored && el("p", { class: "warn" }, shape("CANNOT CLEAR"), t("Not monitored throughout: {state}", { state: tr(DETECTORS[one.health]?.[1] ?? one.health) })),
    one.nuclides?.length > 0 && el("p", {}, t("The detector recognised: {nuclides}", { nuclides: one.nuclides.join(", ") })),
    el("div", { class: "channels" }, (one.channels ?? []).map(channel)),
    !one.channels?.length && el("p", { class: "empty" }, t("The detector told no counts of it.")));
}
export function passages(shown) {
  const unwell = (shown.detectors ?? []).filter((one) => one.health !== "OK");
  return [unwell.map((one) => el("p", { class: "warn" }, shape(DETECTORS[one.health]?.[0] ?? "CHECK"),
    el("span", {}, t("{device}: {state}.", { device: one.detector, state: tr(DETECTORS[one.health]?.[1] ?? one.health) }), " ", tr(one.advice)))),
  (shown.passages ?? []).map(passage)];
}
