// What kind of radiation it was, in plain words: what each kind means, what to ask, what to look at, what to do next.
// Nothing here decides: the verdict stays, and where there are neutrons no kind makes the advice milder.
import { $, el, put, shape } from "./draw.js";
import { number } from "./say.js";
import { language, t, tr } from "./texts.js";
import { CATEGORIES, EXPLAINED, GUIDANCE, HAZARDS, MEDICINES } from "./words.js";

const box = $("kind"), nuclide = $("nuclide"), days = $("days"), ABOUT = ["radiation_alarm", "person_and_radiation"];
const figure = (one) => number(one, one < 10 ? 1 : 0);
const all = (shown, of) => (shown?.passages ?? []).flatMap(of);
export const neutrons = (shown) => all(shown, (one) => one.channels ?? []).some((one) => one.channel === "neutron" && one.alarm);
const recognised = (shown) => [...new Set(all(shown, (one) => one.nuclides ?? []))];

// A finding's kind, and its explanation, as they stand in the ledger.
export function kindOf(one) {
  if (!one.category) return null;
  const [mark, name] = CATEGORIES[one.category] ?? ["CHECK", one.category], [how, says] = EXPLAINED[one.plausible] ?? [];
  const facts = [one.nuclide && el("bdi", { dir: "ltr" }, one.nuclide), one.days_since != null && t("days since: {days}", { days: figure(one.days_since) })].filter(Boolean);
  return el("p", { class: "kind" }, shape(mark), el("strong", {}, tr(name)), facts.map((fact) => [" · ", fact]).flat(), says && el("span", { class: "says" }, shape(how), tr(says)));
}

export function category(changed) {
  let shown = null, named = null;
  const rows = Object.keys(CATEGORIES).map((code) => {
    const input = el("input", { type: "radio", name: "category", value: code }), words = el("span", {});
    return { code, input, words, row: el("label", {}, input, words) };
  });
  $("categories").replaceChildren(...rows.map(({ row }) => row));
  const chosen = () => (box.hidden ? null : rows.find(({ input }) => input.checked)?.code ?? null);
  const typed = () => days.value.trim().replace(",", ".");
  const since = () => (typed() === "" ? null : Number(typed()));
  const wrong = () => chosen() === "medical" && since() != null && !(since() >= 0 && since() <= 3650);

  function names() {
    const held = nuclide.value;
    const options = Object.entries(MEDICINES).map(([code, [name, procedures]]) => el("option", { value: code }, `${code} · ${tr(name)} · ${tr(procedures)}`));
    nuclide.replaceChildren(el("option", { value: "" }, t("not known")), ...options);
    nuclide.value = held;
  }
  function explained() {
    const [, , usual, latest, published] = MEDICINES[nuclide.value];
    const days_since = since(), says = neutrons(shown) || days_since > latest ? "implausible" : days_since <= usual ? "plausible" : "unusual";
    const [mark, words] = EXPLAINED[says];
    return [days_since != null && !wrong() && el("p", { class: "says" }, shape(mark), el("strong", {}, tr(words))),
      el("p", {}, t("Seen for: usually up to {usual} d, at the very most {latest} d.", { usual: figure(usual), latest: figure(latest) }), " ",
        published ? t("Longest published time: {days} d.", { days: figure(published) }) : t("Computed from the half-life only.")),
      el("p", { class: "empty" }, t("This decides nothing: the verdict stays, and the command centre answers."))];
  }
  function draw(about, busy) {
    shown = about;
    box.hidden = !about?.alerts?.some((one) => ABOUT.includes(one.kind));
    box.disabled = busy;
    const code = chosen(), danger = neutrons(about);
    for (const one of rows) put(one.words, CATEGORIES[one.code], ([mark, name]) => [shape(mark), el("b", {}, tr(name)), el("small", {}, tr(GUIDANCE[one.code][0]))]);
    put($("neutrons"), danger, () => [shape("STOP"), el("span", {}, tr(HAZARDS.neutrons))]);
    put($("recognised"), recognised(about).length > 0 && recognised(about), (found) => [t("The detector recognised: {nuclides}", { nuclides: found.join(", ") })]);
    put($("guidance"), code && [code, danger], () => [[t("Ask"), GUIDANCE[code][1]], [t("Look at"), GUIDANCE[code][2]], [t("Then"), danger ? HAZARDS.neutrons : GUIDANCE[code][3]]]
      .map(([name, text]) => [el("dt", {}, name), el("dd", {}, tr(text))]));
    $("medical").hidden = code !== "medical";
    if (named !== language()) { names(); named = language(); }
    put($("explained"), code === "medical" && nuclide.value !== "" && [nuclide.value, typed(), danger], explained);
    days.setAttribute("aria-invalid", String(wrong()));
  }
  box.addEventListener("change", changed);
  days.addEventListener("input", changed);
  return {
    draw, chosen, wrong,
    order: () => (chosen() ? { category: chosen(), ...(chosen() === "medical" && { nuclide: nuclide.value || null, days_since: since() }) } : {}),
    reset() { for (const { input } of rows) input.checked = false; nuclide.value = days.value = ""; },
    focus() { if (!box.hidden) (rows.find(({ input }) => input.checked) ?? rows[0]).input.focus(); },
    focusDays: () => days.focus(),
  };
}
