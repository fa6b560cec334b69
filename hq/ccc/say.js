// Moments, places, persons and grounds as the duty officer reads them. All moments are UTC: booths stand in many zones.
import { age, country as countryOf, countryName as nameOf, number, stamp } from "./figures.js";
import { locale, t, tn, tr } from "./texts.js";
import { BODIES, CATEGORIES, CHAINS, DETECTORS, FIELDS, FRAUDS, GRADES, KINDS, RADIATION_CHANNELS, TELLINGS, TIERS, VERDICTS } from "./words.js";

const utc = (options) => stamp({ timeZone: "UTC", ...options });
export const clock = utc({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const day = utc({ day: "numeric", month: "short" });
export const full = utc({ weekday: "short", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

// A code in the words of its table, in the page's language; a code without words is shown as it came.
export const word = (table, code) => tr(table[code] ?? code);
// [shape, word, meaning] of a code whose table gives them.
export const marked = (table, code, unknown = "CHECK") => { const [mark, says, means] = table[code] ?? [unknown, code, ""]; return [mark, tr(says), tr(means)]; };
export const bodies = () => Object.fromEntries(Object.entries(BODIES).map(([code, name]) => [code, tr(name)]));
export const countryName = (code) => nameOf(code, bodies());
export const country = (code) => countryOf(code, bodies());

const time = (text) => Date.parse(text ?? "");
export const between = (early, late) => { const seconds = (time(late) - time(early)) / 1000; return Number.isNaN(seconds) ? null : seconds; };
export function position({ latitude, longitude }) {
  if (latitude == null || longitude == null) return null;
  return `${Math.abs(latitude).toFixed(5)}° ${latitude < 0 ? "S" : "N"}, ${Math.abs(longitude).toFixed(5)}° ${longitude < 0 ? "W" : "E"}`;
}
export const fullName = (person) => [person?.surname, person?.given].filter(Boolean).join(", ") || null;
export const whose = (person) => person && (fullName(person) ?? person.document_number ?? t("not readable"));
// Short facts one after another; the dot stands between them in every language, and none turns its neighbour.
const alone = (text) => (document.documentElement.dir === "rtl" ? `\u2068${text}\u2069` : text);
export const facts = (...parts) => parts.flat().filter(Boolean).map(alone).join(" · ");

// The mirror's age at the verdict: FRESH to 24 h, STALE to 48 h.
export function mirror(seconds) {
  if (seconds == null) return ["CANNOT CLEAR", t("unknown")];
  return [seconds <= 86400 ? "CLEAR" : seconds <= 172800 ? "CHECK" : "CANNOT CLEAR", age(seconds)];
}
export const chain = (state) => marked(CHAINS, state, "CANNOT CLEAR");
export const detector = (state) => marked(DETECTORS, state);
export const verdict = (code) => word(VERDICTS, code);

const GRAVEST = ["failing", "waiting", "sent"];
// [state, shape, word, meaning], one for all channels: the worst of them.
export function telling(line) {
  const states = (line.tellings ?? []).map((one) => one.state);
  const state = states.find((one) => one !== "not for CBRNE" && !GRAVEST.includes(one)) ?? GRAVEST.find((one) => states.includes(one)) ?? "not for CBRNE";
  return [state, ...marked(TELLINGS, state)];
}

// [what, figures]: counts of the highest interval, and how far that stood above the background.
export function channel(one) {
  const rate = one.interval_s > 0 ? one.peak / one.interval_s : null;
  const times = rate && one.background_cps > 0 ? number(rate / one.background_cps, 1) : null, name = word(RADIATION_CHANNELS, one.channel);
  const what = one.alarm
    ? times ? t("{channel}: ALARM, {times} × background", { channel: name, times }) : t("{channel}: ALARM", { channel: name })
    : times ? t("{channel}: quiet, {times} × background", { channel: name, times }) : t("{channel}: quiet", { channel: name });
  return [what, peak(one)];
}
export const peak = (one) => t("{counts} in {seconds} s", { counts: number(one.peak), seconds: number(one.interval_s, 2) });

const GRADE_ORDER = ["strong", "possible"];
export const candidates = (alert) => [...(alert.notices ?? [])].sort((one, other) => GRADE_ORDER.indexOf(one.grade) - GRADE_ORDER.indexOf(other.grade)
  || (other.tier === "rn") - (one.tier === "rn") || other.score - one.score);
export const field = (name) => word(FIELDS, name);
// What speaks most for a candidate, in words and without the values themselves.
function best(notice) {
  const [first] = [...(notice.reasons ?? [])].filter((one) => one.points > 0).sort((one, other) => other.points - one.points);
  return first ? t("{field}: {why}", { field: field(first.field), why: tr(first.why) }) : "";
}
const graded = (one) => one.grade === "strong" ? t("Strong: {tier}", { tier: word(TIERS, one.tier) })
  : one.grade === "possible" ? t("Possible: {tier}", { tier: word(TIERS, one.tier) }) : facts(one.grade, word(TIERS, one.tier));
const paper = (one) => one.sure === false ? t("Listed document, number repaired: {fraud}", { fraud: word(FRAUDS, one.fraud_type) }) : t("Listed document: {fraud}", { fraud: word(FRAUDS, one.fraud_type) });

// [shape, what, why] a line of the list gives as grounds, the gravest first.
export function grounds(alert) {
  const channels = alert.radiation?.channels ?? [];
  const alarms = channels.filter((one) => one.alarm);
  const rays = alarms.length ? alarms : alert.kind.includes("radiation") ? channels : [];
  return [
    ...candidates(alert).map((one) => [(GRADES[one.grade] ?? ["CHECK"])[0], graded(one), best(one)]),
    ...(alert.listed ?? []).map((one) => [one.sure === false ? "CHECK" : "STOP", paper(one), facts(tr(one.document_type), country(one.issuing_country))]),
    ...rays.map((one) => { const [what, figures] = channel(one); return [one.alarm ? "STOP" : "NONE", what, alert.radiation.health === "OK" ? figures : facts(figures, detector(alert.radiation.health)[1])]; }),
  ];
}
export const kind = (alert) => word(KINDS, alert.kind);
export function place(at) {
  const land = countryName(at.country) ?? at.country;
  return land ? t("{point}, {country}", { point: at.crossing_point, country: land }) : at.crossing_point;
}
// The alert in one sentence for the head of the detail.
export function sentence(alert) {
  const found = candidates(alert), tier = found.length && word(TIERS, found[0].tier);
  const all = [
    found.length > 0 && (found[0].grade === "strong" ? t("a strong candidate for a notice ({tier})", { tier }) : t("a possible candidate for a notice ({tier})", { tier })),
    alert.listed?.length > 0 && t("a document listed as stolen, lost or revoked"),
    alert.radiation?.channels?.some((one) => one.alarm) && t("a radiation alarm"),
  ].filter(Boolean);
  const values = { verdict: verdict(alert.verdict), place: place(alert.place), lane: alert.place.lane, what: all.length ? new Intl.ListFormat(locale()).format(all) : kind(alert) };
  return alert.place.lane ? t("{verdict} at {place}, lane {lane}: {what}.", values) : t("{verdict} at {place}: {what}.", values);
}
// Whom second line attached to an alert that names nobody: the finding that did, or nothing.
export const attaching = (line) => (line.findings ?? []).find((one) => one.finding.person);
// What kind of radiation the second line took it for: the last word on it.
export const category = (line) => { const last = (line.findings ?? []).findLast((one) => one.finding.category); return last ? marked(CATEGORIES, last.finding.category) : null; };
export const acknowledged = ({ officer, at }) => t("Acknowledged by {officer} at {time}", { officer, time: clock(at) });
export const alertsCount = (n) => tn("{n} alert", "{n} alerts", n);
