// Elements from values. Text only ever enters the page as text, and only where it has changed.
import { pressedIn } from "./press.js";
import { language } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
export const $ = (id) => document.getElementById(id);

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) if (value != null && value !== false) node.setAttribute(name, value);
  node.append(...children.flat(2).filter((child) => child != null && child !== false && child !== ""));
  return node;
}
export const el = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

// Give `node` other children. What has the focus in it has it again where it is drawn again, else what stands around it.
export function refill(node, children) {
  const focused = document.activeElement, inside = focused !== node && node.contains(focused);
  const name = (one) => JSON.stringify([one.id, one.getAttribute("class"), { ...one.dataset }, one.getAttribute("aria-label")]);
  const alike = () => [...node.querySelectorAll(focused.localName)].filter((one) => name(one) === name(focused));
  const place = inside ? alike().indexOf(focused) : -1;
  node.replaceChildren(...children);
  if (inside && !focused.isConnected) (alike()[place] ?? node.closest("[tabindex]"))?.focus({ preventScroll: true });
}
const drawn = new WeakMap();
// Put into `node` what `draw` makes of `value`, if `value` is not what is drawn there already, in this language. What is
// being pressed there is waited for (press.js), but never with taking away.
export function put(node, value, draw = (text) => [text]) {
  const key = `${language()} ${JSON.stringify(value)}`, none = value == null || value === false || value === "";
  if (drawn.get(node) === key || (!none && pressedIn(node))) return;
  const parts = none ? [] : [draw(value)];
  refill(node, parts.flat(2).filter((child) => child != null && child !== false && child !== ""));
  drawn.set(node, key);
}

const SHAPES = {
  STOP: ["M5 5H43V43H5Z", "M13 20H35V28H13Z"],
  CHECK: ["M24 4 46 43H2Z", "M21.5 17H26.5L25.5 31H22.5ZM22 34H26V38.5H22Z"],
  CLEAR: ["M24 4a20 20 0 1 0 .01 0Z", "M13.5 25 17 21.3 22 26.5 32 14.8 35.6 18 22.2 33.6Z"],
  "CANNOT CLEAR": ["M5 5H43V43H5Z", "M14 22.5H34V26H14Z"],
  NONE: ["M20 20h8v8h-8Z", ""],
};
// The shape that belongs to a word of the verdict; its colour and dashes are frame.css's.
export function shape(word) {
  const [outer, inner] = SHAPES[word] ?? SHAPES["CANNOT CLEAR"];
  const kind = (word in SHAPES ? word : "CANNOT CLEAR").toLowerCase().replace(" ", "-");
  return svg("svg", { class: `shape ${kind}`, viewBox: "0 0 48 48", "aria-hidden": "true" },
    svg("path", { class: "outer", d: outer }), svg("path", { class: "inner", d: inner }));
}
