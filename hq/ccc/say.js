// Numbers, moments, places and persons as the duty officer reads them. All moments are UTC: booths stand in many zones.
import { BODIES, CHAINS, DETECTORS, FIELDS, GRADES, KINDS, RADIATION_CHANNELS, TELLINGS, TIERS } from "./words.js";
const REGIONS = new Intl.DisplayNames(["en"], { type: "region", fallback: "none" });
const moment = (text) => { const time = new Date(text ?? NaN); return Number.isNaN(time.getTime()) ? null : time; };
const say = (options) => { const format = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options }); return (text) => { const time = moment(text); return time ? format.format(time) : String(text ?? ""); }; };
export const clock = say({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const day = say({ day: "numeric", month: "short" });
export const full = say({ weekday: "short", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const countryName = (code) => BODIES[code] ?? (/^[A-Z]{2}$/.test(code ?? "") ? REGIONS.of(code) : null) ?? null;
export const country = (code) => (countryName(code) ? `${countryName(code)} (${code})` : code);
export function age(seconds) {
  if (seconds == null) return "unknown";
  const [size, unit] = [[172800, "d"], [3600, "h"], [60, "min"]].find(([least]) => seconds >= least) ?? [1, "s"];
  return `${Math.max(0, Math.floor(seconds / (unit === "d" ? 86400 : size)))} ${unit}`;
}
export const between = (early, late) => (moment(early) && moment(late) ? (moment(late) - moment(early)) / 1000 : null);
export const number = (value, places = 0) => value.toLocaleString("en-GB", { maximumFractionDigits: places });
export const count = (value, one) => `${number(value)} ${value === 1 ? one : `${one}s`}`;
export function position({ latitude, longitude }) {
  if (latitude == null || longitude == null) return null;
  return `${Math.abs(latitude).toFixed(5)}° ${latitude < 0 ? "S" : "N"}, ${Math.abs(longitude).toFixed(5)}° ${longitude < 0 ? "W" : "E"}`;
}
export const fullName = (person) => [person?.surname, person?.given].filter(Boolean).join(", ") || null;
export const whose = (person) => person && (fullName(person) ?? person.document_number ?? "not readable");

// The mirror's age at the verdict: FRESH to 24 h, STALE to 48 h.
export function mirror(seconds) {
  if (seconds == null) return ["CANNOT CLEAR", "unknown"];
  return [seconds <= 86400 ? "CLEAR" : seconds <= 172800 ? "CHECK" : "CANNOT CLEAR", age(seconds)];
}
export const chain = (state) => CHAINS[state] ?? ["CANNOT CLEAR", state, ""];
export const detector = (state) => DETECTORS[state] ?? ["CHECK", state];

const GRAVEST = ["failing", "waiting", "sent"];
// One word for all channels: the worst of them.
export function telling(line) {
  const states = (line.tellings ?? []).map((one) => one.state);
  const state = states.find((one) => one !== "not for CBRNE" && !GRAVEST.includes(one)) ?? GRAVEST.find((one) => states.includes(one)) ?? "not for CBRNE";
  return [state, ...(TELLINGS[state] ?? ["CHECK", state, ""])];
}

// [what, figures]: counts of the highest interval, and how far that stood above the background.
export function channel(one) {
  const rate = one.interval_s > 0 ? one.peak / one.interval_s : null;
  const over = rate && one.background_cps > 0 ? `, ${number(rate / one.background_cps, 1)} × background` : "";
  return [`${RADIATION_CHANNELS[one.channel] ?? one.channel} ${one.alarm ? "ALARM" : "quiet"}${over}`, `peak ${number(one.peak)} in ${number(one.interval_s, 2)} s`];
}
const GRADE_ORDER = ["strong", "possible"];
export const candidates = (alert) => [...(alert.notices ?? [])].sort((one, other) => GRADE_ORDER.indexOf(one.grade) - GRADE_ORDER.indexOf(other.grade)
  || (other.tier === "rn") - (one.tier === "rn") || other.score - one.score);
// What speaks most for a candidate, in words and without the values themselves.
export const best = (notice) => [...(notice.reasons ?? [])].filter((one) => one.points > 0).sort((one, other) => other.points - one.points)
  .slice(0, 2).map((one) => `${FIELDS[one.field] ?? one.field} ${one.why}`).join(", ");
export const paper = (one) => `Listed document: ${one.fraud_type}${one.sure === false ? ", number repaired" : ""}`;

// [shape, what, why] a line of the list gives as grounds, the gravest first.
export function grounds(alert) {
  const channels = alert.radiation?.channels ?? [];
  const alarms = channels.filter((one) => one.alarm);
  const rays = alarms.length ? alarms : alert.kind.includes("radiation") ? channels : [];
  return [
    ...candidates(alert).map((one) => [(GRADES[one.grade] ?? ["CHECK"])[0], `${(GRADES[one.grade] ?? [0, one.grade])[1].replace(" candidate", "")}: ${TIERS[one.tier] ?? one.tier}`, best(one)]),
    ...(alert.listed ?? []).map((one) => [one.sure === false ? "CHECK" : "STOP", paper(one), [one.document_type, country(one.issuing_country)].filter(Boolean).join(", ")]),
    ...rays.map((one) => { const [what, figures] = channel(one); return [one.alarm ? "STOP" : "NONE", what, alert.radiation.health === "OK" ? figures : `${figures}, ${detector(alert.radiation.health)[1]}`]; }),
  ];
}
export const kind = (alert) => KINDS[alert.kind] ?? alert.kind;

// What others have written, kept from turning the text around it: <bdi> for where there is no element.
const isolated = (text) => `\u2068${text}\u2069`;
export const place = (at) => [at.crossing_point, countryName(at.country) ?? at.country].filter(Boolean).map(isolated).join(", ");

// The alert in one sentence for the head of the detail.
export function sentence(alert) {
  const found = candidates(alert);
  const people = found.length ? `${found[0].grade === "strong" ? "a strong" : "a possible"} candidate for a notice (${TIERS[found[0].tier] ?? found[0].tier})` : null;
  const papers = alert.listed?.length ? "a document listed as stolen, lost or revoked" : null;
  const rays = alert.radiation?.channels?.some((one) => one.alarm) ? "a radiation alarm" : null;
  const all = [people, papers, rays].filter(Boolean);
  const what = all.length > 1 ? `${all.slice(0, -1).join(", ")} and ${all.at(-1)}` : all[0] ?? kind(alert).toLowerCase();
  return `${alert.verdict} at ${place(alert.place)}${alert.place.lane ? `, lane ${isolated(alert.place.lane)}` : ""}: ${what}.`;
}
