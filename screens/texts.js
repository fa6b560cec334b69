// The page's texts in the chosen language. English is the message id: a page has its texts at once and changes them in
// place when a catalogue arrives; what a catalogue lacks is shown in English, never dropped.
import { keep, kept } from "./keep.js";
import { LANGUAGES } from "./languages.js";

const CHOICE = "failsafe-language", RETRY_MS = 3000;
const ENGLISH = { texts: {}, plurals: { one: 0, other: 1 } };
let shown = LANGUAGES[0], catalogue = ENGLISH, rules = new Intl.PluralRules("en"), patterns = [], said = new Map(), turn = 0;
const listeners = [];
export const language = () => shown.code;
// For Intl: figures are compared with paper and telephone, so digits are Latin in every language.
export const locale = () => `${shown.code}-u-nu-latn`;
export const onLanguage = (draw) => listeners.push(draw);

// Others' words must not turn the text around them. Plain Latin in a left-to-right language cannot.
const isolated = (text) => (shown.dir === "rtl" || /[^\u0000-\u02ff]/.test(text) ? `\u2068${text}\u2069` : text);
const worded = (value) => (typeof value === "number" ? value.toLocaleString(locale()) : isolated(String(value ?? "")));
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? worded(values[name]) : whole));
const own = (table, key) => (Object.hasOwn(table, key) ? table[key] : null);

const looked = (text) => { const found = own(catalogue.texts, text); return typeof found === "string" ? found : text; };
// A text of the page: t("Lane {name}", { name }). The first argument is written out, for `make words` reads it here.
export function t(text, values = {}) {
  return fill(looked(text), values);
}
// A text with a number: tn("{n} notice", "{n} notices", n).
export function tn(one, many, n, values = {}) {
  const forms = own(catalogue.texts, one);
  const text = Array.isArray(forms) ? forms[catalogue.plurals[rules.select(n)]] ?? forms.at(-1) : n === 1 ? one : many;
  return fill(text, { n, ...values });
}

// A sentence that the machine has composed in English: known as it stands, by a template with {0}, {1}, or as several
// sentences one after another. Its values are looked up too: a state or a reason may be one of our texts.
export function tr(sentence) {
  if (sentence == null || sentence === "" || catalogue === ENGLISH) return sentence ?? "";
  if (!said.has(sentence)) said.set(sentence, translated(String(sentence)));
  if (said.size > 2000) said = new Map();
  return said.get(sentence) ?? sentence;
}
function translated(sentence) {
  const whole = known(sentence);
  if (whole != null) return whole;
  const ends = [...sentence.matchAll(/[.!?:;] /g)].map((found) => found.index + 1);
  for (const end of ends.reverse()) {
    const first = known(sentence.slice(0, end));
    if (first != null) return `${first} ${translated(sentence.slice(end + 1))}`;
  }
  // Its first sentence is not ours: it stays as it is, and the rest is tried.
  const end = ends.at(-1);
  return end ? `${isolated(sentence.slice(0, end))} ${translated(sentence.slice(end + 1))}` : sentence;
}
function known(sentence) {
  const exact = own(catalogue.texts, sentence);
  if (typeof exact === "string") return exact;
  for (const { expression, text } of patterns) {
    const found = expression.exec(sentence);
    if (found) return fill(text, found.slice(1).map(tr));
  }
  return null;
}
// The most telling template first. A value never reaches over the end of a sentence: what follows is tried by itself.
const VALUE = "((?:(?![.!?] ).)*?)";
function templates(texts) {
  const bare = (id) => id.replace(/\{\d+\}/g, "");
  return Object.entries(texts).filter(([id, text]) => typeof text === "string" && /\{\d+\}/.test(id))
    .sort(([one], [other]) => bare(other).length - bare(one).length)
    .map(([id, text]) => ({ text, expression: new RegExp(`^${id.split(/\{\d+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(VALUE)}$`, "su") }));
}

// What the HTML holds: [put it there, its English], for every text and every attribute that is read out or shown.
const ATTRIBUTES = ["aria-label", "placeholder", "title", "alt"];
const SILENT = '[translate="no"], script, style, noscript, kbd, code';
function standing() {
  const found = [], walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const one = node;
    if ((one.nodeType === Node.TEXT_NODE ? one.parentElement : one).closest(SILENT)) continue;
    if (one.nodeType === Node.TEXT_NODE) {
      const [, before, text, after] = one.data.match(/^(\s*)(.*?)(\s*)$/s);
      if (/\p{L}{2}/u.test(text)) found.push([(words) => { one.data = before + words + after; }, text.replace(/\s+/g, " ")]);
    } else {
      for (const name of ATTRIBUTES) if (/\p{L}{2}/u.test(one.getAttribute(name) ?? "")) found.push([(words) => one.setAttribute(name, words), one.getAttribute(name)]);
    }
  }
  return found;
}
const fixed = standing();

// Choose a language; it is kept, and taken up as soon as its catalogue is there.
export async function setLanguage(code) {
  const wanted = LANGUAGES.find((one) => one.code === code) ?? LANGUAGES[0], mine = ++turn;
  keep(CHOICE, wanted.code);
  try {
    const answer = wanted.code === "en" ? null : await fetch(`/texts/${wanted.code}.json`, { signal: AbortSignal.timeout(5000) });
    if (answer && !answer.ok) throw new Error(`No texts: ${answer.status}.`);
    const found = answer ? await answer.json() : ENGLISH;
    if (mine === turn) show(wanted, found);
  } catch {
    setTimeout(() => { if (mine === turn) setLanguage(wanted.code); }, RETRY_MS);
  }
}
function show(wanted, found) {
  [shown, catalogue, said] = [wanted, found, new Map()];
  rules = new Intl.PluralRules(wanted.code);
  patterns = templates(found.texts);
  Object.assign(document.documentElement, { lang: wanted.code, dir: wanted.dir });
  for (const [write, text] of fixed) write(looked(text));
  for (const draw of listeners) draw();
}

// A <select> that offers the languages, each in its own name.
export function languageChoice(select) {
  for (const { code, name, dir } of LANGUAGES) {
    const option = Object.assign(document.createElement("option"), { value: code, textContent: name, lang: code, dir });
    select.append(option);
  }
  select.value = kept(CHOICE) ?? "en";
  select.addEventListener("change", () => setLanguage(select.value));
  // The other page of this browser has chosen: this one follows.
  addEventListener("storage", (event) => { if (event.key === CHOICE && event.newValue) { select.value = event.newValue; setLanguage(event.newValue); } });
  if (select.value && select.value !== "en") setLanguage(select.value);
}
