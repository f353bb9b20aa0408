// Elements out of words. Whatever comes from a server becomes a text node here and nothing else.

// Characters that show nothing, or turn the direction of what follows: a person who approves must see them.
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** The text with its invisible characters spelled out. */
export function plain(text) {
  return String(text).replace(HIDDEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The text, cut after so many characters. */
export function cut(text, most) {
  const whole = String(text);
  return whole.length > most ? `${whole.slice(0, most)}…` : whole;
}

/** An element: attributes by name, `on…` members are listeners, `false` and `undefined` leave an attribute out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

/** Children as nodes; strings become text, nothing stays nothing. */
export function nodes(children) {
  return children.flat(3).filter((child) => child !== undefined && child !== null && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(plain(child))));
}

/** Puts these children in the place of those that an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** A moment as the reader's clock shows it; a text that is no moment stays what it is. */
export function moment(text, withDay = false) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return h("span", {}, cut(text ?? "–", 40));
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, (withDay ? day : "") + time);
}

/** A number of milliseconds in the unit that suits it. */
export function duration(ms) {
  if (typeof ms !== "number" || !Number.isFinite(ms)) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
}

/** "1 step", "2 steps". */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

const STATUS = {
  active: ["●", "Active"], running: ["▶", "Running"], awaiting_human: ["?", "Waits for a person"],
  completed: ["✓", "Completed"], max_steps_reached: ["▲", "Out of steps"], failed: ["✕", "Failed"],
  expired: ["○", "Expired"], closed: ["■", "Closed"],
};

/** A status as a mark and a word, so that the colour says nothing alone. */
export function badge(status, running = false) {
  const known = status === "active" && running ? "running" : status;
  const [mark, word] = STATUS[known] ?? ["·", cut(status ?? "unknown", 40)];
  return h("span", { class: `badge is-${STATUS[known] ? known : "unknown"}` }, h("span", { "aria-hidden": "true" }, mark), ` ${word}`);
}

let waiting = [];
let timer = null;

/** Tells a screen reader, at its leisure; several things within a second are told together. */
export function announce(text) {
  waiting.push(cut(text, 300));
  waiting = waiting.slice(-4);
  if (timer) return;
  timer = setTimeout(() => {
    document.getElementById("live").textContent = plain(waiting.join(". "));
    waiting = [];
    timer = null;
  }, 700);
}

/** Asks before something is done; true when the person goes on. */
export function confirmed(title, text, word, danger = false) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "ask-title", "aria-describedby": "ask-text" },
      h("form", { method: "dialog" },
        h("h2", { id: "ask-title" }, title), h("p", { id: "ask-text" }, text),
        h("div", { class: "buttons" },
          h("button", { value: "no", class: "plain" }, "Cancel"),
          h("button", { value: "yes", class: danger ? "danger" : "primary" }, word))));
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
