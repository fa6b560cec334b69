// A table whose columns sort: heads with a button each, and rows by id that are redrawn only where they have changed.
import { el, put, refill } from "./draw.js";
import { pressedIn } from "./press.js";
import { language } from "./texts.js";

let collator = null, spoken = null;
function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one === other ? 0 : one - other;
  if (spoken !== language()) [collator, spoken] = [new Intl.Collator(language(), { numeric: true, sensitivity: "base" }), language()];
  return collator.compare(String(one), String(other));
}

// `columns`: {key, title() -> text, of(item) -> number or text; absent: the order in which the items came; first: -1 to
// begin with the highest}. `draw()` puts the titles into the page's language.
export function heads(row, columns, onSort) {
  let key = columns[0].key, way = 1;
  const cells = columns.map((column) => {
    const title = el("span", {}), button = el("button", { type: "button" }, title, el("span", { class: "arrow", "aria-hidden": "true" }));
    button.addEventListener("click", () => sort(column.key));
    return { cell: el("th", { scope: "col", class: column.key }, button), title };
  });
  row.replaceChildren(...cells.map(({ cell }) => cell));
  const mark = () => columns.forEach((column, place) => {
    if (column.key === key) cells[place].cell.setAttribute("aria-sort", (column.of ? way : 1) > 0 ? "ascending" : "descending");
    else cells[place].cell.removeAttribute("aria-sort");
  });
  const sort = (wanted) => {
    const column = columns.find((one) => one.key === wanted);
    way = wanted === key && column.of ? -way : column.first ?? 1;
    key = wanted;
    mark();
    onSort();
  };
  mark();
  return {
    sort,
    draw: () => columns.forEach((column, place) => put(cells[place].title, column.title())),
    isFirst: () => key === columns[0].key,
    title: () => columns.find((column) => column.key === key).title(),
    sorted(items) {
      const { of } = columns.find((column) => column.key === key);
      if (!of) return items;
      const pairs = items.map((item) => [of(item), item]);
      return pairs.sort((one, other) => {
        const [left, right] = [one[0], other[0]];
        // What has no value stands last, whichever way the column runs.
        if (left == null || right == null) return (left == null) - (right == null);
        return way * compare(left, right);
      }).map(([, item]) => item);
    },
  };
}

// `entries`: [id, key, draw] in order; a row with the same key stays as it is. The focus stays on what it is on; where its
// row is gone, it goes to what the table scrolls in. A table that is being pressed waits.
export function rows(body, entries, make) {
  if (pressedIn(body)) return;
  const held = body.held ??= new Map(), wanted = new Set(entries.map(([id]) => id));
  const inside = body.contains(document.activeElement);
  if (body.language !== language()) { for (const one of held.values()) one.key = null; body.language = language(); }
  for (const [id, { row }] of held) if (!wanted.has(id)) { row.remove(); held.delete(id); }
  for (const [id, key, draw] of entries) {
    let one = held.get(id);
    if (!one) held.set(id, one = { row: make(id), key: null });
    if (one.key !== key) { refill(one.row, draw(one.row)); one.key = key; }
  }
  const focus = body.contains(document.activeElement) ? document.activeElement : inside && body.closest("[tabindex]");
  let place = body.firstElementChild;
  for (const [id] of entries) {
    const { row } = held.get(id);
    if (place === row) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  if (focus && document.activeElement !== focus) focus.focus({ preventScroll: true });
}
