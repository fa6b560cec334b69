// What a booth's disk may still hold: notices that were withdrawn, and who had the keys that opened it before.
import { el, shape } from "./draw.js";
import { number } from "./figures.js";
import { between, day, full, marked } from "./say.js";
import { t, tn, tr } from "./texts.js";
import { PARTS, PURGES } from "./words.js";

const OWED_S = 86400; // a booth that is reached has purged within an hour or two
const ORDER = ["doubtful", "owed", "confirmed", "nothing removed"], KEYS = ["mirror", "ledger"];
const sign = (mark, ...words) => el("span", { class: "sign" }, shape(mark), el("span", {}, ...words));
const rank = (one) => { const place = ORDER.indexOf(one.state); return place < 0 ? 0 : place; };
const ranked = (booth) => [...(booth.purges ?? [])].sort((one, other) => rank(one) - rank(other));
const owed = (booth) => ranked(booth).filter((one) => one.state === "owed");
// When the first withdrawal was published that the booth owes; null where none is owed or nobody knows.
const since = (booth) => owed(booth).map((one) => one.since).filter(Boolean).sort()[0] ?? null;

// By which the column sorts: what is in doubt first, then what is owed; a booth of which nothing is known stands last.
export const order = (booth) => (ranked(booth).length ? rank(ranked(booth)[0]) : null);
// [shape, word, what to do] where somebody should do something about it.
export function trouble(booth, now) {
  const [first] = ranked(booth);
  if (first?.state === "doubtful") return [...marked(PURGES, "doubtful").slice(0, 2), t("What it says of withdrawn notices does not agree with what was published: take nothing for purged there, and visit the booth.")];
  const begun = since(booth);
  if (booth.heard_at && begun && between(begun, now) > OWED_S) return ["CHECK", t("not purged"), t("Notices withdrawn on {day} may still lie on its disk. Bring it a newer publication by line or stick; if it has that, see that its disk has room.", { day: day(begun) })];
  return null;
}
function inShort(booth) {
  const [first] = ranked(booth), open = owed(booth);
  if (first.state === "owed") {
    const known = open.every((one) => one.left != null), left = open.reduce((sum, one) => sum + (one.left ?? 0), 0), begun = since(booth);
    return [known && tn("{n} withdrawn", "{n} withdrawn", left), begun && t("since {day}", { day: day(begun) })];
  }
  return first.serial == null ? [] : [booth.purges.length === 1 && t("up to serial {serial}", { serial: String(first.serial) }), day(first.at)];
}
export function cell(booth) {
  if (!booth.purges?.length) return sign("CANNOT CLEAR", t("not known"));
  const [mark, word] = marked(PURGES, ranked(booth)[0].state);
  return sign(mark, word, inShort(booth).filter(Boolean).map((line) => el("small", {}, line)));
}

function said(one) {
  const serial = String(one.serial);
  if (one.state === "doubtful") return [t("Its receipt gives other numbers for serial {serial} than headquarters published: take nothing for purged there, and visit the booth.", { serial })];
  if (one.state === "confirmed") return [one.parted ? t("The whole feed is gone from its disk.") : t("Nothing is left on its disk of what was withdrawn or has expired, up to serial {serial}.", { serial })];
  if (one.state !== "owed") return [t("Nothing was withdrawn that it could hold.")];
  if (one.parted) return [t("It may read this feed no longer, and has not said that it is gone.")];
  const held = { serial: String(one.holds) };
  return [
    one.left == null ? t("Withdrawn notices may still lie on its disk; how many is not known.")
      : tn("{n} notice that was withdrawn or has expired may still lie on its disk.", "{n} notices that were withdrawn or have expired may still lie on its disk.", one.left),
    one.since && t("The first of them was published as withdrawn on {time} UTC.", { time: full(one.since) }),
    one.holds == null ? t("No heartbeat says which notices it holds.")
      : one.has_it ? t("It holds serial {serial}, which has them no longer: its receipt is to be expected within hours.", held)
        : t("It holds serial {serial} yet: bring it a newer publication by line or stick.", held),
    one.serial == null && t("No receipt has come from it."),
  ];
}
function purge(one, alone) {
  const [mark, word] = marked(PURGES, one.state), aside = one.aside ?? 0;
  const told = one.serial != null && t("Its last receipt is for serial {serial}: {time} UTC by its clock, received {received} UTC.", { serial: String(one.serial), time: full(one.at), received: full(one.received_at) });
  return el("article", {},
    el("p", {}, sign(mark, el("strong", {}, word), !alone && [" ", el("bdi", { dir: "ltr" }, one.feed)])),
    el("p", {}, said(one).filter(Boolean).join(" ")),
    aside > 0 && el("p", {}, sign("CHECK", tn("{n} damaged copy of its notices lies on its disk, set aside, and may hold them: have a technician delete it.", "{n} damaged copies of its notices lie on its disk, set aside, and may hold them: have a technician delete them.", aside, { n: number(aside) }))),
    told && el("p", { class: "why" }, told));
}
function exchange(key, one) {
  return [el("dt", {}, tr(PARTS[`${key} key`])), el("dd", {}, one ? [
    t("exchanged {time} UTC by its clock", { time: full(one.at) }),
    el("small", {}, t("received {time} UTC", { time: full(one.received_at) })),
    !one.trusted && sign("CHECK", t("clock not trusted")),
  ] : el("span", { class: "empty" }, t("no exchange told")))];
}
// Two sections of what is open of a booth. `booth`: its BoothLine.
export function disk(booth) {
  const purges = ranked(booth), keys = booth.keys ?? [];
  return [
    el("section", { class: "purges" }, el("h3", {}, t("Withdrawn notices")), purges.length ? purges.map((one) => purge(one, purges.length === 1)) : el("p", {}, sign("CANNOT CLEAR", t("not known")))),
    el("section", { class: "disk-keys" }, el("h3", {}, t("Keys of its disk")), el("dl", {}, KEYS.map((key) => exchange(key, keys.find((one) => one.key === key))))),
  ];
}
