// Times and countries as the officer reads them.
import { countryName, stamp } from "./figures.js";
import { tr } from "./texts.js";
import { BODIES } from "./words.js";
export { age, number } from "./figures.js";

export const clock = stamp({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
export function country(code) {
  const name = BODIES[code] ? tr(BODIES[code]) : countryName(code);
  return name ? `${name} (${code})` : code;
}
