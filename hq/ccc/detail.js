// One alert in words: what, where, who, why, what was found, on which notices, and how far it has gone. Then its record.
import { el, shape } from "./draw.js";
import { age, number } from "./figures.js";
import { portal } from "./portal.js";
import { reasonsTable } from "./reasons.js";
import { acknowledged, attaching, between, candidates, chain, country, detector, facts, fullName, full, kind, marked, mirror, peak, position, sentence, word } from "./say.js";
import { measured } from "./measured.js";
import { t, tn, tr } from "./texts.js";
import { CATEGORIES, CHANNELS, EXPLAINED, FRAUDS, GRADES, OWN_TESTS, RADIATION_CHANNELS, SEXES, SOURCES, TELLINGS, TIERS, URGENCIES } from "./words.js";

// A long word is set smaller before it is broken.
const bdi = (text) => el("bdi", { class: /\S{11}/.test(text ?? "") && "long" }, text ?? "–");
const code = (text) => text && el("code", { dir: "ltr" }, text);
const sign = (mark, ...words) => el("span", { class: "sign" }, shape(mark), el("span", {}, ...words));
const pairs = (rows) => el("dl", {}, rows.filter(([, value]) => value != null && value !== "" && value !== false && value.length !== 0)
  .map(([name, value]) => [el("dt", {}, name), ...[value].flat().map((one) => el("dd", {}, one instanceof Node ? one : bdi(one)))]));
const part = (title, ...children) => el("section", {}, el("h3", {}, title), ...children);
const table = (name, heads, body, kind) => el("table", { "aria-label": name, class: kind }, el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))), body);

function where({ place }) {
  return part(t("Where"), pairs([[t("Crossing point"), place.crossing_point], [t("Country"), country(place.country)], [t("Lane"), place.lane],
    [t("Position"), code(position(place)) ?? t("not configured at the booth")], [t("Booth"), code(place.booth)]]));
}
function when({ alert, received_at: received }) {
  const late = between(alert.at.wall, received);
  return part(t("When (UTC)"),
    !alert.at.trusted && el("p", { class: "warn" }, sign("CHECK", t("The booth did not trust its clock: the time of the event may be wrong."))),
    pairs([[t("Event"), full(alert.at.wall)], [t("Arrived"), full(received)], [t("On its way"), late != null && late >= 0 && alert.at.trusted && age(late)]]));
}
function who(line) {
  const { alert: { person: named, kind: which } } = line, attached = attaching(line), person = named ?? attached?.finding.person;
  if (!person) return part(t("Who"), el("p", { class: "empty" }, which === "radiation_alarm"
    ? t("A radiation alarm carries no identity: most are patients. Second line may attach one.") : t("This alert carries no identity.")));
  return part(t("Who"), !named && el("p", { class: "warn" }, sign("CHECK", t("Attached by second line at {time}: no notice matched. Reason: {reason}", { time: full(attached.finding.at.wall), reason: attached.finding.text }))),
    person.repaired && el("p", { class: "warn" }, sign("CHECK", t("The zone was repaired: have it compared with the document."))),
    pairs([[t("Name"), fullName(person) && el("strong", {}, bdi(fullName(person)))], [t("Date of birth"), code(person.birth_date)], [t("Sex"), person.sex && word(SEXES, person.sex)],
      [t("Nationality"), country(person.nationality)], [t("Document number"), code(person.document_number)], [t("Issuing state"), country(person.issuing_state)],
      [t("Source"), word(SOURCES, person.source)]]),
    person.zone?.length > 0 && el("pre", { dir: "ltr", translate: "no", tabindex: "0", role: "region", "aria-label": t("Zone as read") }, person.zone.join("\n")));
}
function candidate(one) {
  const [mark, grade] = marked(GRADES, one.grade);
  return el("article", { class: `candidate ${one.grade}` },
    el("h4", {}, sign(mark, grade), el("span", {}, word(TIERS, one.tier))),
    el("p", {}, t("Notice {id}", { id: one.entity_id }), " · ", t("score {score}", { score: number(one.score, 2, 2) })),
    one.reasons?.length > 0 && reasonsTable(one));
}
const listed = (one) => el("article", { class: "candidate strong" }, el("h4", {}, sign(one.sure === false ? "CHECK" : "STOP", t("Listed document")), el("span", {}, word(FRAUDS, one.fraud_type))),
  one.sure === false && el("p", { class: "warn" }, t("The number had to be repaired: have it compared.")),
  pairs([[t("Number"), code(one.number)], [t("Type"), tr(one.document_type)], [t("Issued by"), country(one.issuing_country)]]));
function why(alert) {
  const found = [...candidates(alert).map(candidate), ...(alert.listed ?? []).map(listed)];
  return found.length > 0 && part(t("Why"), el("p", { class: "caution" }, t("A notice alone is no ground to detain: confirm the hit first.")), ...found);
}
// In the officer's own words, in the order the booth wrote them: a later one may correct an earlier one.
function finding(one) {
  const { finding: said } = one, [mark, state] = chain(one.chain);
  const of = said.category && marked(CATEGORIES, said.category), fits = said.plausible && marked(EXPLAINED, said.plausible);
  const medical = facts(said.nuclide, said.days_since != null && t("days since: {days}", { days: number(said.days_since, 1) }));
  return el("article", {},
    of && el("p", { class: "found" }, sign(of[0], el("strong", {}, of[1]), medical && ` · ${medical}`)),
    fits && el("p", { class: "why" }, sign(fits[0], fits[1])),
    said.person && el("p", { class: "found" }, sign("CHECK", el("strong", {}, t("Attached: the traveller’s document. Reason:")))),
    said.text && el("p", { class: "found" }, bdi(said.text)),
    el("p", { class: "why" }, facts(full(said.at.wall), !said.at.trusted && t("clock not trusted"), said.shift && t("signed {name}", { name: said.shift }), t("arrived {time}", { time: full(one.received_at) }))),
    one.chain !== "whole" && el("p", { class: "why" }, sign(mark, t("{state}, entry {sequence}", { state, sequence: String(one.sequence) }))));
}
const findings = (line) => line.findings?.length > 0 && part(t("What the second line found"), ...line.findings.map(finding));
function radiation({ radiation: rays }) {
  if (!rays) return null;
  const row = (one) => el("tr", {}, el("th", { scope: "row" }, word(RADIATION_CHANNELS, one.channel)), el("td", {}, sign(one.alarm ? "STOP" : "CLEAR", one.alarm ? t("ALARM") : t("quiet"))),
    el("td", {}, peak(one)), el("td", {}, one.background_cps == null ? "–" : t("{rate} per s", { rate: number(one.background_cps, 1) })),
    el("td", {}, one.panels?.length > 1 ? portal(one.panels, one.alarm) : "–"));
  const own = (one) => el("div", {}, word(RADIATION_CHANNELS, one.channel), ": ", t("{test}: {strength}, threshold {threshold}", { test: word(OWN_TESTS, one.test), strength: number(one.strength, 1, 1), threshold: number(one.threshold, 1, 1) }),
    one.panels?.length > 0 && [" · ", tn("panel {panels}", "panels {panels}", one.panels.length, { panels: one.panels.map((panel) => number(panel)).join(", ") })]);
  const [mark, says] = detector(rays.health);
  return part(t("Radiation"), (rays.channels ?? []).length > 0 && table(t("Channels"), [t("Channel"), t("State"), t("Peak"), t("Background"), t("Panels")], el("tbody", {}, rays.channels.map(row))),
    pairs([[t("Own tests"), (rays.own ?? []).map(own)], [t("Recognised"), rays.nuclides?.join(", ")], [t("Detector"), [rays.detector, sign(mark, says)]], [t("Passage"), rays.duration_s != null && t("lasted {seconds} s", { seconds: number(rays.duration_s, 1) })]]));
}
const measurements = (line) => { const told = measured(line); return told.length > 0 && part(t("What the detector counted"), ...told); };
function notices(alert) {
  const [mark, old] = mirror(alert.mirror_age_s);
  return part(t("Notices the verdict rested on"), pairs([[t("Age then"), sign(mark, old)],
    [t("Feeds"), (alert.mirror ?? []).map((one) => t("{feed}, serial {serial}", { feed: one.feed, serial: String(one.serial) }))]]));
}
function journey(line) {
  const [mark, state, means] = chain(line.chain), tellings = line.tellings ?? [];
  const told = (one) => {
    const [shown, says] = marked(TELLINGS, one.state);
    return el("div", {}, sign(shown, t("{channel}: {state}", { channel: word(CHANNELS, one.channel), state: says })),
      el("span", { class: "why" }, facts(one.tries > 0 && tn("{n} try", "{n} tries", one.tries), one.at && full(one.at), tr(one.trouble))));
  };
  return part(t("Its way"), pairs([
    [t("Booth’s chain"), el("div", {}, sign(mark, t("{state}, entry {sequence}", { state, sequence: String(line.sequence) })), line.chain !== "whole" && el("span", { class: "why" }, means))],
    [t("CBRNE programme"), tellings.length ? tellings.map(told) : marked(TELLINGS, "not for CBRNE")[2]],
    [t("Duty log"), line.acknowledged ? acknowledged(line.acknowledged) : line.alert.urgency === "urgent" && t("Nobody has acknowledged it.")]]));
}
// It stays open while its alert is drawn anew.
let unfolded = null;
function record(line) {
  const box = el("pre", { dir: "ltr", translate: "no", tabindex: "0", role: "region", "aria-label": t("The record as JSON") });
  const fold = el("details", { open: unfolded === line.number && "" }, el("summary", {}, el("kbd", {}, "R"), t("Record as JSON")), box);
  const fill = () => { if (fold.open && !box.textContent) box.textContent = JSON.stringify(line, null, 2); };
  fold.addEventListener("toggle", () => { unfolded = fold.open ? line.number : null; fill(); });
  fill();
  return fold;
}
export function detail(line) {
  const { alert } = line, [mark, urgency] = marked(URGENCIES, alert.urgency);
  return [
    el("p", { class: "kind" }, sign(mark, el("strong", {}, urgency)), el("span", {}, kind(alert)), alert.kind === "exercise" && el("strong", { class: "exercise" }, t("EXERCISE, nothing has happened"))),
    el("p", { class: "sentence" }, sentence(alert)),
    line.acknowledged && el("p", {}, sign("CLEAR", acknowledged(line.acknowledged))),
    findings(line), who(line), why(alert), radiation(alert), measurements(line), where(alert), when(line), notices(alert), journey(line),
    part(t("Numbers"), pairs([[t("Alert"), code(alert.id)], [t("Crossing"), code(alert.crossing)], [t("Follows"), code(alert.follows)]])),
    record(line),
  ].filter(Boolean);
}
