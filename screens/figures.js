// Numbers, moments, ages and countries in the page's language, with Latin digits.
import { locale, t } from "./texts.js";

const made = new Map();
function format(Kind, options) {
  const key = `${Kind.name} ${locale()} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Kind(locale(), options));
  return made.get(key);
}
export const number = (value, places = 0, least = 0) => format(Intl.NumberFormat, { minimumFractionDigits: least, maximumFractionDigits: places }).format(value);

// One unit, as `failsafe status` says it too; days from the fifth on, so that 48 h can be told from 90.
export function age(seconds) {
  if (seconds == null) return t("unknown");
  const whole = (size) => Math.max(0, Math.floor(seconds / size));
  if (seconds >= 345600) return t("{n} d", { n: whole(86400) });
  if (seconds >= 3600) return t("{n} h", { n: whole(3600) });
  return seconds >= 60 ? t("{n} min", { n: whole(60) }) : t("{n} s", { n: whole(1) });
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
