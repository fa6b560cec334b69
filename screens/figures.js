// Numbers, moments, ages and countries in the page's language, with Latin digits.
import { locale, t } from "./texts.js";

const made = new Map();
function format(Kind, options) {
  const key = `${Kind.name} ${locale()} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Kind(locale(), options));
  return made.get(key);
}
export const number = (value, places = 0) => format(Intl.NumberFormat, { maximumFractionDigits: places }).format(value);

const UNITS = [[345600, 86400, "day"], [3600, 3600, "hour"], [60, 60, "minute"], [0, 1, "second"]];
export function age(seconds) {
  if (seconds == null) return t("unknown");
  const [, size, unit] = UNITS.find(([least]) => seconds >= least) ?? UNITS.at(-1);
  return format(Intl.NumberFormat, { style: "unit", unit, unitDisplay: "short" }).format(Math.max(0, Math.floor(seconds / size)));
}
// stamp(options of Intl.DateTimeFormat) -> (moment) -> its words; what is no moment is shown as it came.
export const stamp = (options) => (moment) => {
  const time = new Date(moment ?? NaN);
  return Number.isNaN(time.getTime()) ? String(moment ?? "") : format(Intl.DateTimeFormat, { hourCycle: "h23", ...options }).format(time);
};
export function countryName(code, bodies = {}) {
  return bodies[code] ?? (/^[A-Z]{2}$/.test(code ?? "") ? format(Intl.DisplayNames, { type: "region", fallback: "none" }).of(code) : null) ?? null;
}
export const country = (code, bodies) => { const name = countryName(code, bodies); return name ? `${name} (${code})` : code; };
