// The head of the first line: what the booth knows of itself, and what needs somebody.
import { $, el, put, shape } from "./draw.js";
import { age } from "./say.js";
import { t, tn, tr } from "./texts.js";
import { DETECTORS, LINK, MIRROR } from "./words.js";

const state = ([label, [mark, word, since]]) => el("div", { class: "state" }, shape(mark),
  el("div", {}, el("span", {}, label), el("strong", {}, word, since && [" ", el("small", {}, since)])));
const named = (table, key, otherwise) => { const [mark, word] = table[key] ?? [otherwise, key]; return [mark, tr(word)]; };
const passed = (seconds, delay) => (seconds == null ? null : age(seconds + delay));

function notices(head, delay) {
  const [mark, word] = named(MIRROR, head.mirror, "CANNOT CLEAR"), old = passed(head.mirror_age_s, delay);
  return [t("Notices"), [mark, word, old && t("{age} old", { age: old })]];
}
function alerts(head, delay) {
  if (!head.alerts_waiting) return [t("Alerts to the CCC"), ["CLEAR", t("all delivered")]];
  const oldest = passed(head.oldest_alert_s, delay);
  return [t("Alerts to the CCC"), ["CHECK", tn("{n} waiting", "{n} waiting", head.alerts_waiting), oldest && t("oldest {age}", { age: oldest })]];
}
function link(head, delay) {
  if (!head.link) return [t("Link"), ["NONE", t("none heard")]];
  const [mark, word] = named(LINK, head.link.state, "CHECK"), since = passed(head.link.since_s, delay);
  return [t("Link"), [mark, word, head.link.state !== "up" && since && t("for {age}", { age: since })]];
}
// Why a publication was refused: its sentences in the page's language, and the word that log and terminal show too.
function refused(told) {
  const [, code, why] = /^([a-z-]+): (.*)$/s.exec(told) ?? [null, null, told];
  return [`${t("The last publication of notices was refused.")} ${tr(why)}`, code && [" ", el("code", { dir: "ltr" }, code)]].flat().filter(Boolean);
}

// `delay`: seconds since the values were sent.
export function header(head, lanes, delay) {
  const held = [tn("{n} notice", "{n} notices", head.notices), tn("{n} document", "{n} documents", head.listed_documents)];
  put($("place"), [head.crossing_point, head.booth, held], ([point, booth]) => [el("strong", {}, el("bdi", {}, point)), el("span", {}, el("bdi", {}, booth)), el("small", {}, held.join(" · "))]);
  const where = (one) => (lanes.length > 1 ? t("{device}, lane {lane}", { device: one.name, lane: one.lane }) : one.name);
  const states = [notices(head, delay), alerts(head, delay), link(head, delay),
    ...head.detectors.map((one) => [where(one), named(DETECTORS, one.state, "CHECK")])];
  put($("states"), states, (all) => all.map(state));
  // Read out when a word changes, not with every second that an age grows.
  put($("announced"), states.map(([label, [, word]]) => t("{device}: {state}.", { device: label, state: word })).join(" "));
  const telephone = head.telephone;
  const faults = [
    !head.recording && (telephone ? t("THE LEDGER CANNOT RECORD. Clear nobody; telephone the CCC on {telephone}.", { telephone }) : t("THE LEDGER CANNOT RECORD. Clear nobody; telephone the CCC.")),
    head.refused && refused(head.refused),
    ...head.detectors.filter((one) => one.state !== "OK" && one.advice).map((one) => t("{device}: {advice}", { device: where(one), advice: tr(one.advice) })),
    ...head.faults.map(tr),
  ].filter(Boolean);
  put($("faults"), faults, (all) => all.map((told) => el("li", {}, shape("CHECK"), el("span", {}, ...[told].flat()))));
}
