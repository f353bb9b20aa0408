// The door: the token, the address, and what to say when something is refused.

import { h, fill, cut, announce } from "/console/dom.js";
import { takeToken, token, keepToken, forgetToken, usable } from "/console/api.js";
import { List } from "/console/list.js";
import { Session } from "/console/session.js";

const main = document.getElementById("main");
const banner = document.getElementById("banner");
const forget = document.getElementById("forget");
let view;
let tries = 0;
let ticking;

function title(text) {
  document.title = `${cut(text, 80)} · OAP console`;
}

/** Hides what was said of the connection. */
function well() {
  tries = 0;
  clearInterval(ticking);
  if (!banner.hidden) {
    banner.hidden = true;
    fill(banner);
    announce("The runtime answers again");
  }
}

/** Says what was refused. Gives the time after which to ask again, or 0. */
function failed(refusal, retry, others = false) {
  clearInterval(ticking);
  if (refusal.status === 401) {
    askToken(token() ? `The runtime does not take this token: ${refusal.message}` : undefined);
    return 0;
  }
  if (!refusal.passing) {
    const what = { 403: "This token may not do that.", 404: "There is no such session for this token.", 409: "Not now." }[refusal.status] ?? "The runtime refused.";
    say([h("strong", {}, what), " ", cut(refusal.message, 500)], [["Look again", retry]]);
    return 0;
  }
  tries += 1;
  const wait = refusal.retryAfter ? refusal.retryAfter * 1000 : Math.min(1000 * 2 ** Math.min(tries, 4), 15000);
  const what = refusal.status === 0 ? "The runtime cannot be reached." : refusal.status === 429 ? "Too many calls." : "The runtime is busy.";
  const told = h("span", {});
  let left = Math.ceil(wait / 1000);
  const tell = () => fill(told, others ? "It is tried again." : `Trying again in ${left} s.`);
  tell();
  say([h("strong", {}, what), " ", refusal.status === 0 ? "" : `${cut(refusal.message, 300)} `, h("span", { "aria-hidden": "true" }, told)], [["Try now", retry]]);
  ticking = setInterval(() => { left = Math.max(left - 1, 0); tell(); }, 1000);
  return others ? 0 : wait;
}

function say(words, buttons) {
  const focused = banner.contains(document.activeElement);
  fill(banner, h("span", {}, words), h("span", { class: "buttons" }, buttons.map(([word, act]) => h("button", { type: "button", class: "plain", onclick: act }, word))));
  banner.hidden = false;
  if (focused) banner.querySelector("button")?.focus();
}

function askToken(problem) {
  view?.close();
  view = undefined;
  clearInterval(ticking);
  banner.hidden = true;
  forget.hidden = true;
  forgetToken();
  title("Token");
  const error = h("p", { class: "problem", id: "token-error", hidden: !problem }, problem);
  const input = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "token-hint token-error", "aria-invalid": problem ? "true" : undefined });
  const form = h("form", { class: "token", novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (usable(text)) {
      keepToken(text);
      return route(true);
    }
    error.hidden = false;
    fill(error, text ? "A token has no blanks, and none but plain characters." : "Write the token.");
    input.setAttribute("aria-invalid", "true");
    input.focus();
  } },
  h("h1", {}, "Your token"),
  h("p", { id: "token-hint" }, "The one that you call the runtime with. Without accounts the runtime printed an address with a token when it started. It is kept in this tab until you close it."),
  h("label", { for: "token" }, "Token"), input, error,
  h("div", { class: "buttons" }, h("button", { class: "primary" }, "Go on")));
  fill(main, form);
  input.focus();
  if (problem) announce(problem);
}

function route(moved) {
  view?.close();
  view = undefined;
  clearInterval(ticking);
  banner.hidden = true;
  if (!token()) return askToken();
  forget.hidden = false;
  const found = /^#\/session\/([^/]+)$/.exec(location.hash);
  let id;
  try { id = found && decodeURIComponent(found[1]); } catch { id = undefined; }
  const tell = { failed, well, title };
  if (id) view = new Session(main, id, tell);
  else {
    title("Sessions");
    view = new List(main, tell);
  }
  if (moved) view.heading.focus();
}

addEventListener("hashchange", () => {
  takeToken();
  route(true);
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
forget.addEventListener("click", () => askToken());
takeToken();
route(false);
