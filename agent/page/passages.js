// The alarm in detail: each passage of the crossing, channel by channel, as far as the detector told it.
import { el, shape } from "./draw.js";
import { clock, number } from "./say.js";
import { t, tn, tr } from "./texts.js";
import { DETECTORS } from "./words.js";

const channelName = (channel) => (channel === "gamma" ? t("Gamma") : t("Neutrons"));
// The panels side by side; in an alarm the strongest is marked, and not by its weight alone.
function panels(counts, alarm) {
  const most = alarm ? Math.max(1, ...counts) : Infinity;
  return el("ol", { class: "panels", "aria-label": t("Counts by panel") }, counts.map((one, place) => el("li", { class: one === most && "most" },
    el("small", {}, t("Panel {n}", { n: place + 1 })), el("strong", {}, number(one)), one === most && el("small", {}, t("most")))));
}
function channel(one) {
  const rows = [
    one.peak_counts != null && [t("Peak"), tn("{n} count in {seconds} s", "{n} counts in {seconds} s", one.peak_counts, { seconds: one.interval_s })],
    one.times_background != null && [t("Against background"), t("{times} times", { times: number(one.times_background, 1, 1) })],
    one.background_cps != null && [t("Background"), t("{cps} per second", { cps: Math.round(one.background_cps * 10) / 10 })],
    one.threshold_counts != null && [t("Threshold"), tn("{n} count", "{n} counts", Math.round(one.threshold_counts))],
  ].filter(Boolean);
  return el("div", { class: "channel" },
    el("h4", {}, shape(one.alarm ? "STOP" : "NONE"), channelName(one.channel), el("span", {}, one.alarm ? t("the portal's alarm") : t("no alarm"))),
    rows.length > 0 && el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    one.peak_counts == null && el("p", { class: "empty" }, t("No interval of this channel came.")),
    one.panels?.length > 1 && panels(one.panels, one.alarm));
}
function passage(one) {
  const when = one.ended_at ? t("{from} to {until}", { from: clock(one.began_at), until: clock(one.ended_at) }) : t("since {from}, not ended", { from: clock(one.began_at) });
  return el("article", { class: "passage" },
    el("h3", {}, when, " ", el("small", {}, el("bdi", { dir: "ltr" }, one.detector), " · ", t("{seconds} s", { seconds: one.duration_s }))),
    !one.monitored && el("p", { class: "warn" }, shape("CANNOT CLEAR"), t("Not monitored throughout: {state}", { state: tr(DETECTORS[one.health]?.[1] ?? one.health) })),
    el("div", { class: "channels" }, (one.channels ?? []).map(channel)),
    !one.channels?.length && el("p", { class: "empty" }, t("The detector told no counts of it.")));
}
export function passages(shown) {
  const unwell = (shown.detectors ?? []).filter((one) => one.health !== "OK");
  return [unwell.map((one) => el("p", { class: "warn" }, shape(DETECTORS[one.health]?.[0] ?? "CHECK"),
    el("span", {}, t("{device}: {state}.", { device: one.detector, state: tr(DETECTORS[one.health]?.[1] ?? one.health) }), " ", tr(one.advice)))),
  (shown.passages ?? []).map(passage)];
}
