// JSON to look at: small values as text, large ones folded and in pages.

import { h, count, fill } from "/console/dom.js";

// As many values, and as deep, as are shown at once.
const SMALL_VALUES = 60;
const SMALL_DEPTH = 6;
// Of a folded value, the parts with no more values than this are not folded.
const INLINE_VALUES = 12;
const PAGE = 100;
const LONG_TEXT = 2000;

const isRaw = (value) => typeof JSON.isRawJSON === "function" && JSON.isRawJSON(value);
export const isFolder = (value) => typeof value === "object" && value !== null && !isRaw(value);

/** A value, whatever its size. */
export function show(value, label) {
  const box = h("div", { class: "json", role: label ? "group" : undefined, "aria-label": label });
  const left = { values: SMALL_VALUES };
  if (fits(value, SMALL_DEPTH, left)) return fill(box, ...text(value));
  return fill(box, folder(value));
}

function fits(value, depth, left) {
  left.values -= 1;
  if (left.values < 0) return false;
  if (typeof value === "string") return value.length <= LONG_TEXT;
  if (!isFolder(value)) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.length <= SMALL_VALUES && value.every((item) => fits(item, depth - 1, left));
  for (const name in value) if (name.length > 200 || !fits(value[name], depth - 1, left)) return false;
  return true;
}

/** A value that fits, as lines. */
function text(value) {
  if (!isFolder(value)) return [leaf(value)];
  const array = Array.isArray(value);
  const entries = Object.entries(value);
  if (!entries.length) return [array ? "[]" : "{}"];
  if (array && entries.length <= 8 && value.every((item) => !isFolder(item) && String(item).length < 24)) {
    return ["[", ...value.flatMap((item, index) => [index ? ", " : "", leaf(item)]), "]"];
  }
  if (!array && entries.length <= 4 && entries.every(([name, item]) => !isFolder(item) && name.length + String(item).length < 24)) {
    return ["{", ...entries.flatMap(([name, item], index) => [index ? ", " : "", h("span", { class: "key" }, JSON.stringify(name)), ": ", leaf(item)]), "}"];
  }
  const lines = entries.map(([name, item], index) => h("span", { class: "line" },
    array ? "" : [h("span", { class: "key" }, JSON.stringify(name)), ": "],
    text(item), index < entries.length - 1 ? "," : ""));
  return [array ? "[" : "{", h("span", { class: "inner" }, lines), array ? "]" : "}"];
}

/** A value without members. */
export function leaf(value) {
  if (isRaw(value)) return h("span", { class: "number" }, value.rawJSON);
  if (typeof value === "string") return long(value);
  const kind = value === null ? "null" : typeof value;
  return h("span", { class: kind }, value === undefined ? "nothing" : String(value));
}

function long(value) {
  const quoted = (part) => JSON.stringify(part);
  if (value.length <= LONG_TEXT) return h("span", { class: "string" }, quoted(value));
  let shown = LONG_TEXT;
  const words = h("span", { class: "string" }, quoted(value.slice(0, shown)));
  const more = h("button", { type: "button", class: "link", onclick: () => {
    shown += 50000;
    fill(words, quoted(value.slice(0, shown)));
    if (shown >= value.length) more.remove();
    else fill(more, `… ${value.length - shown} more characters`);
  } }, `… ${value.length - shown} more characters`);
  return h("span", {}, words, " ", more);
}

/** A value whose members are made when somebody opens it; the outermost ones are open if they are short. */
function folder(value, name, level = 0) {
  const key = name === undefined ? "" : [h("span", { class: "key" }, name.length > 200 ? `${name.slice(0, 200)}…` : name), ": "];
  if (!isFolder(value) || (level > 0 && fits(value, SMALL_DEPTH, { values: INLINE_VALUES }))) return h("div", { class: "line" }, key, text(value));
  const array = Array.isArray(value);
  const names = array ? null : Object.keys(value);
  const size = array ? value.length : names.length;
  const body = h("div", { class: "inner" });
  let made = 0;
  const make = () => {
    const until = Math.min(made + PAGE, size);
    const part = [];
    for (; made < until; made += 1) {
      const own = array ? String(made) : names[made];
      part.push(folder(value[own], own, level + 1));
    }
    body.append(...part);
    if (made < size) {
      const more = h("button", { type: "button", class: "link", onclick: () => {
        more.remove();
        make();
        body.children[made - PAGE]?.querySelector("summary")?.focus();
      } }, `Show more (${size - made} left)`);
      body.append(more);
    }
  };
  const details = h("details", { class: "fold" },
    h("summary", {}, key, h("span", { class: "size" }, array ? `[ ${count(size, "item")} ]` : `{ ${count(size, "member")} }`)), body);
  details.addEventListener("toggle", () => { if (details.open && !made) make(); });
  if (level === 0 || (level < 3 && size <= INLINE_VALUES)) {
    make();
    details.open = true;
  }
  return details;
}
