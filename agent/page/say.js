// Numbers, times and countries as the officer reads them.
import { BODIES } from "./words.js";
const REGIONS = new Intl.DisplayNames(["en"], { type: "region", fallback: "none" });

export function country(code) {
  const name = BODIES[code] ?? (/^[A-Z]{2}$/.test(code ?? "") ? REGIONS.of(code) : null);
  return name ? `${name} (${code})` : code;
}
export function age(seconds) {
  if (seconds == null) return "unknown";
  const [size, unit] = [[345600, "d"], [3600, "h"], [60, "min"]].find(([least]) => seconds >= least) ?? [1, "s"];
  return `${Math.max(0, Math.floor(seconds / (unit === "d" ? 86400 : size)))} ${unit}`;
}
export function clock(moment) {
  const time = new Date(moment);
  return Number.isNaN(time.getTime()) ? moment : time.toLocaleTimeString("en-GB");
}
export const count = (number, one) => `${number.toLocaleString("en-GB")} ${number === 1 ? one : `${one}s`}`;
