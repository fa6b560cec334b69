// One alert in words: what, where, who, why, on which notices, and how far it has gone. The record itself on demand.
import { el, shape } from "./draw.js";
import { age, between, candidates, chain, country, detector, fullName, full, kind, mirror, number, position, sentence } from "./say.js";
import { CHANNELS, FIELDS, GRADES, RADIATION_CHANNELS, SEXES, SOURCES, TELLINGS, TIERS, URGENCIES } from "./words.js";

const bdi = (text) => el("bdi", {}, text ?? "–");
const sign = (mark, ...words) => el("span", { class: "sign" }, shape(mark), ...words);
const pairs = (rows) => el("dl", {}, rows.filter(([, value]) => value != null && value !== "" && value !== false && value.length !== 0)
  .map(([name, value]) => [el("dt", {}, name), ...[value].flat().map((one) => el("dd", {}, one instanceof Node ? one : bdi(one)))]));
const part = (title, ...children) => el("section", {}, el("h3", {}, title), ...children);

function where({ place }) {
  return part("Where", pairs([["Crossing point", place.crossing_point], ["Country", country(place.country)], ["Lane", place.lane],
    ["Position", position(place) ?? "not configured at the booth"], ["Booth", place.booth]]));
}
function when({ alert, received_at: received }) {
  const late = between(alert.at.wall, received);
  return part("When (UTC)",
    !alert.at.trusted && el("p", { class: "warn" }, sign("CHECK", "The booth did not trust its clock: the time of the event may be wrong.")),
    pairs([["Event", full(alert.at.wall)], ["Arrived", full(received)], ["On its way", late != null && late >= 0 && alert.at.trusted && age(late)]]));
}
function who({ person, kind: which }) {
  if (!person) return part("Who", el("p", { class: "empty" }, which === "radiation_alarm"
    ? "A radiation alarm carries no identity: most are patients. Second line may attach one." : "This alert carries no identity."));
  return part("Who", person.repaired && el("p", { class: "warn" }, sign("CHECK", "The zone was repaired: have it compared with the document.")),
    pairs([["Name", fullName(person) && el("strong", {}, bdi(fullName(person)))], ["Date of birth", person.birth_date], ["Sex", SEXES[person.sex] ?? person.sex],
      ["Nationality", country(person.nationality)], ["Document number", person.document_number], ["Issuing state", country(person.issuing_state)],
      ["Source", SOURCES[person.source] ?? person.source]]),
    person.zone?.length > 0 && el("pre", { dir: "ltr", tabindex: "0", "aria-label": "Zone as read" }, person.zone.join("\n")));
}
function reason(one) {
  const [mark, says] = one.points > 0 ? ["CLEAR", "for"] : one.points < 0 ? ["CHECK", "against"] : ["NONE", "neutral"];
  const points = `${one.points > 0 ? "+" : ""}${one.points.toFixed(1).replace("-", "−")}`;
  return el("tr", { class: says }, el("th", { scope: "row" }, FIELDS[one.field] ?? one.field), el("td", {}, bdi(one.query)), el("td", {}, bdi(one.candidate)),
    el("td", {}, sign(mark, `${says} ${points}`), el("span", { class: "why" }, one.why)));
}
function candidate(one) {
  const [mark, grade] = GRADES[one.grade] ?? ["CHECK", one.grade];
  return el("article", { class: `candidate ${one.grade}` },
    el("h4", {}, sign(mark, grade), el("span", {}, TIERS[one.tier] ?? one.tier)),
    el("p", {}, "Notice ", bdi(one.entity_id), `, score ${one.score.toFixed(2)}`),
    el("table", {}, el("thead", {}, el("tr", {}, ["Field", "Document", "Notice", "Speaks"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, (one.reasons ?? []).map(reason))));
}
const listed = (one) => el("article", { class: "candidate strong" }, el("h4", {}, sign(one.sure === false ? "CHECK" : "STOP", "Listed document"), el("span", {}, one.fraud_type)),
  one.sure === false && el("p", { class: "warn" }, "The number had to be repaired: have it compared."),
  pairs([["Number", one.number], ["Type", one.document_type], ["Issued by", country(one.issuing_country)]]));
function why(alert) {
  const found = [...candidates(alert).map(candidate), ...(alert.listed ?? []).map(listed)];
  return found.length > 0 && part("Why", el("p", { class: "caution" }, "A notice alone is no ground to detain: confirm the hit first."), ...found);
}
function radiation({ radiation: rays }) {
  if (!rays) return null;
  const row = (one) => el("tr", {}, el("th", { scope: "row" }, RADIATION_CHANNELS[one.channel] ?? one.channel), el("td", {}, sign(one.alarm ? "STOP" : "CLEAR", one.alarm ? "ALARM" : "quiet")),
    el("td", {}, `${number(one.peak)} in ${number(one.interval_s, 2)} s`), el("td", {}, one.background_cps == null ? "–" : `${number(one.background_cps, 1)} /s`),
    el("td", {}, (one.panels ?? []).join(", ") || "–"));
  const [mark, says] = detector(rays.health);
  return part("Radiation", (rays.channels ?? []).length > 0 && el("table", {},
    el("thead", {}, el("tr", {}, ["Channel", "State", "Peak", "Background", "Panels"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, rays.channels.map(row))),
  pairs([["Detector", [rays.detector, sign(mark, says)]], ["Passage", rays.duration_s != null && `lasted ${number(rays.duration_s, 1)} s`]]));
}
function notices(alert) {
  const [mark, old] = mirror(alert.mirror_age_s);
  return part("Notices the verdict rested on", pairs([["Age then", sign(mark, old)],
    ["Feeds", (alert.mirror ?? []).map((one) => `${one.feed}, serial ${one.serial}`)]]));
}
function journey(line) {
  const [mark, word, means] = chain(line.chain), tellings = line.tellings ?? [];
  const told = (one) => {
    const [shown, says] = TELLINGS[one.state] ?? ["CHECK", one.state];
    return el("div", {}, sign(shown, `${CHANNELS[one.channel] ?? one.channel}: ${says}`),
      el("span", { class: "why" }, [one.tries > 0 && `${one.tries === 1 ? "1 try" : `${one.tries} tries`}`, one.at && full(one.at), one.trouble].filter(Boolean).join("; ")));
  };
  return part("Its way", pairs([
    ["Booth's chain", el("div", {}, sign(mark, `${word}, entry ${line.sequence}`), line.chain !== "whole" && el("span", { class: "why" }, means))],
    ["CBRNE programme", tellings.length ? tellings.map(told) : TELLINGS["not for CBRNE"][2]]]));
}
function record(line) {
  const box = el("pre", { dir: "ltr", tabindex: "0", "aria-label": "The record as JSON" });
  const shut = el("details", {}, el("summary", {}, el("kbd", {}, "R"), "Record as JSON"), box);
  shut.addEventListener("toggle", () => { if (shut.open && !box.textContent) box.textContent = JSON.stringify(line, null, 2); });
  return shut;
}
export function detail(line) {
  const { alert } = line, [mark, word] = URGENCIES[alert.urgency] ?? ["CHECK", alert.urgency];
  return [
    el("p", { class: "kind" }, sign(mark, el("strong", {}, word)), el("span", {}, kind(alert)), alert.kind === "exercise" && el("strong", { class: "exercise" }, "EXERCISE, nothing has happened")),
    el("p", { class: "sentence" }, sentence(alert)),
    who(alert), why(alert), radiation(alert), where(alert), when(line), notices(alert), journey(line),
    part("Numbers", pairs([["Alert", el("code", {}, alert.id)], ["Crossing", alert.crossing && el("code", {}, alert.crossing)], ["Follows", alert.follows && el("code", {}, alert.follows)]])),
    record(line),
  ].filter(Boolean);
}
