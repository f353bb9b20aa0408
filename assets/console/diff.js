// What changed between two JSON values, by pointer.

import { h, count } from "/console/dom.js";
import { isFolder, show } from "/console/json.js";

const MOST_CHANGES = 500;
const DEEPEST = 24;
const PAGE = 30;

const escaped = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");
const has = (value, name) => Object.prototype.hasOwnProperty.call(value, name);

/** The changes, each `{kind: added|changed|removed, pointer, before, after}`, at most 500; `more` when there are others. */
export function changes(before, after) {
  const found = [];
  const put = (change) => {
    if (found.length < MOST_CHANGES) found.push(change);
    return found.length < MOST_CHANGES;
  };
  walk(before, after, "", 0, put);
  // What the runtime itself keeps changes in each step, so it comes last.
  const own = (change) => /^\/(timestamp|step|last_result)(\/|$)/.test(change.pointer);
  found.sort((one, two) => own(one) - own(two));
  return { found, more: found.length >= MOST_CHANGES };
}

function walk(before, after, pointer, depth, put) {
  if (Object.is(before, after)) return true;
  const alike = isFolder(before) && isFolder(after) && Array.isArray(before) === Array.isArray(after);
  if (!alike || depth >= DEEPEST) {
    return same(before, after) || put({ kind: "changed", pointer, before, after });
  }
  for (const name of Object.keys(before)) {
    const at = `${pointer}/${escaped(name)}`;
    const on = has(after, name)
      ? walk(before[name], after[name], at, depth + 1, put)
      : put({ kind: "removed", pointer: at, before: before[name] });
    if (!on) return false;
  }
  for (const name of Object.keys(after)) {
    if (!has(before, name) && !put({ kind: "added", pointer: `${pointer}/${escaped(name)}`, after: after[name] })) return false;
  }
  return true;
}

/** Whether two values are the same where nobody walks further down. */
function same(before, after) {
  try { return JSON.stringify(before) === JSON.stringify(after); } catch { return false; }
}

const MARK = { added: ["+", "added"], changed: ["~", "changed"], removed: ["−", "removed"] };

/** The changes to look at. */
export function showChanges(before, after) {
  const { found, more } = changes(before, after);
  if (!found.length) return h("p", { class: "faint" }, "Nothing changed.");
  const list = h("ul", { class: "changes" });
  let made = 0;
  const make = () => {
    for (const change of found.slice(made, made + PAGE)) list.append(line(change));
    made = Math.min(made + PAGE, found.length);
    if (made >= found.length) return;
    const button = h("button", { type: "button", class: "link", onclick: () => { button.parentNode.remove(); make(); } },
      `Show more (${found.length - made} left)`);
    list.append(h("li", {}, button));
  };
  make();
  return h("div", {}, list, more && h("p", { class: "faint" }, `The first ${count(found.length, "change")}; there are more.`));
}

function line({ kind, pointer, before, after }) {
  const [mark, word] = MARK[kind];
  return h("li", { class: `change ${kind}` },
    h("span", { class: "mark", "aria-hidden": "true" }, mark), h("span", { class: "unseen" }, `${word} `),
    h("code", { class: "pointer" }, pointer || "(the whole)"),
    h("div", { class: "values" },
      kind !== "added" && h("div", { class: "before" }, h("span", { class: "unseen" }, "before: "), show(before)),
      kind !== "removed" && h("div", { class: "after" }, h("span", { class: "unseen" }, "after: "), show(after))));
}
