// The document as it was read, and the cards of what may match it. Every string of a person stands in <bdi>.
import { el, shape } from "./draw.js";
import { reasonsTable } from "./reasons.js";
import { country } from "./say.js";
import { t, tr } from "./texts.js";
import { ACTIONS, EYES, FRAUDS, GRADES, HAIR, NAME_KINDS, SEXES, TIERS } from "./words.js";

// A long word is set smaller before it is broken.
const bdi = (text) => el("bdi", { class: /\S{11}/.test(text ?? "") && "long" }, text ?? "–");
const code = (text) => el("bdi", { dir: "ltr", translate: "no" }, text ?? "–");
const word = (table, key) => (table[key] ? tr(table[key]) : key);
const words = (keys, table) => keys.map((key) => word(table, key)).join(", ");
const joined = (...parts) => parts.filter(Boolean).join(", ");
// Side by side, none turning its neighbour.
const side = (...parts) => { const known = parts.filter(Boolean); return known.length > 0 && el("span", {}, known.flatMap((one, at) => [at > 0 && ", ", one instanceof Node ? one : bdi(one)])); };
// What is known of [name, value or values], as a list of terms; what is not known has no line.
const pairs = (rows) => el("dl", {}, rows.filter(([, value]) => value != null && value !== "" && value.length !== 0)
  .map(([name, value]) => [el("dt", {}, name), ...[value].flat().map((one) => el("dd", {}, one instanceof Node ? one : bdi(one)))]));

export const personTitle = (one) => (one?.source === "manual" ? t("Entered by hand") : t("Document as read"));
export function person(one, crossing) {
  if (!one) return [el("p", { class: "empty" }, crossing ? t("No document could be read in this crossing.") : t("No crossing is open."))];
  return [one.repaired && el("p", { class: "warn" }, shape("CHECK"), t("The zone was repaired: compare it with the document.")),
    pairs([[t("Surname"), one.surname], [t("Given names"), one.given], [t("Date of birth"), one.birth_date && code(one.birth_date)],
      [t("Sex"), one.sex && word(SEXES, one.sex)], [t("Nationality"), country(one.nationality)],
      [t("Document number"), one.document_number && code(one.document_number)], [t("Issuing state"), country(one.issuing_state)]]),
    one.zone?.length > 0 && el("pre", { dir: "ltr", translate: "no" }, one.zone.join("\n"))];
}

const name = (one) => el("span", {}, bdi(joined(one.surname, one.given)), " ",
  el("small", {}, joined(word(NAME_KINDS, one.kind ?? "main"), one.original_script && t("original script"))));
function description(body) {
  return [body.height_m && t("{height} m", { height: body.height_m }), body.weight_kg && t("{weight} kg", { weight: body.weight_kg }),
    body.eyes?.length && t("eyes {colours}", { colours: words(body.eyes, EYES) }), body.hair?.length && t("hair {colours}", { colours: words(body.hair, HAIR) }),
    body.marks, body.profession, body.languages?.join(", ")].filter(Boolean);
}
function details(notice) {
  const born = [...(notice.births ?? []).map(code), side(notice.birth_place, country(notice.birth_country))].filter(Boolean);
  return el("div", { class: "details" },
    pairs([[t("Names"), notice.names.map(name)], [t("Born"), born], [t("Sex"), word(SEXES, notice.sex ?? "U")],
      [t("Nationalities"), (notice.nationalities ?? []).map(country)],
      [t("Documents"), (notice.documents ?? []).map((one) => side(one.type, one.number && code(one.number), country(one.country)))], [t("Description"), description(notice.description ?? {})]]),
    pairs([[t("What to do"), (notice.actions ?? []).map((one) => word(ACTIONS, one))], [t("Summary"), notice.summary],
      [t("Purposes"), notice.purposes], [t("Charges"), notice.charges], [t("Materials"), notice.materials],
      [t("Issued by"), country(notice.issuer)], [t("Published"), notice.published_at && code(notice.published_at.slice(0, 10))],
      [t("Expires"), notice.expires_at && code(notice.expires_at.slice(0, 10))]]));
}
export function candidate({ match, notice }, place) {
  const title = `candidate-${place}`;
  return el("article", { class: `candidate ${match.grade}`, "aria-labelledby": title },
    el("header", {}, shape(match.grade === "strong" ? "STOP" : "CHECK"), el("h3", { id: title }, word(GRADES, match.grade)),
      el("span", {}, word(TIERS, match.tier)), code(match.entity_id), notice.handling && el("strong", { class: "handling" }, notice.handling)),
    reasonsTable(match), details(notice));
}
export function listed(one, place) {
  const title = `listed-${place}`, sure = one.sure !== false;
  return el("article", { class: `candidate ${sure ? "strong" : "possible"}`, "aria-labelledby": title },
    el("header", {}, shape(sure ? "STOP" : "CHECK"), el("h3", { id: title }, t("Listed document")), el("span", {}, word(FRAUDS, one.fraud_type)),
      !sure && el("strong", {}, t("The number was repaired: compare it."))),
    pairs([[t("Number"), code(one.number)], [t("Issued by"), country(one.issuing_country)], [t("Type"), one.document_type]]));
}
