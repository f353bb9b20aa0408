// The steps of a session in their order, each to be opened.

import { h, fill, cut, moment, duration, count } from "/console/dom.js";
import { show } from "/console/json.js";
import { showChanges } from "/console/diff.js";

const PAGE = 50;
const MOST_ENTRIES = 100;

/** Draws a record, and draws again only what changed. */
export class Timeline {
  constructor(record) {
    this.record = record;
    this.rows = new Map();
    this.shown = PAGE;
    this.list = h("ol", { class: "steps" });
    this.earlier = h("p", { class: "earlier", hidden: true });
    this.empty = h("p", { class: "faint" }, "No step yet. Run the session, or step it from its client.");
    this.element = h("div", {}, this.earlier, this.list, this.empty);
    this.ended = false;
  }

  draw() {
    const groups = this.record.groups();
    const seen = groups.slice(-this.shown);
    const hidden = groups.length - seen.length;
    this.empty.hidden = groups.length > 0;
    this.earlier.hidden = hidden === 0 && this.record.dropped === 0;
    fill(this.earlier,
      hidden > 0 && h("button", { type: "button", class: "plain", onclick: () => { this.shown += PAGE; this.draw(); this.list.querySelector("summary")?.focus(); } },
        `Show ${Math.min(PAGE, hidden)} earlier steps (${hidden} hidden)`),
      this.record.dropped > 0 && h("span", { class: "faint" }, ` The first ${count(this.record.dropped, "step")} stand in the transcript only.`));
    const kept = new Set(seen.map((group) => group.number));
    for (const [number, row] of this.rows) {
      if (!kept.has(number)) {
        row.item.remove();
        this.rows.delete(number);
      }
    }
    let after = null;
    for (const group of seen) {
      const row = this.rows.get(group.number) ?? this.row(group.number);
      row.update(group, this.ended);
      const place = after ? after.nextSibling : this.list.firstChild;
      if (row.item !== place) this.list.insertBefore(row.item, place);
      after = row.item;
    }
  }

  row(number) {
    const heading = h("h3", {});
    const summary = h("summary", {}, heading);
    const body = h("div", { class: "step-body" });
    const details = h("details", {}, summary, body);
    const item = h("li", { class: "step" }, details);
    const row = { item, details, mark: "", drawn: "" };
    details.addEventListener("toggle", () => row.body());
    row.body = () => {
      if (!details.open || row.drawn === row.mark) return;
      row.drawn = row.mark;
      fill(body, ...sections(row.group, this.record));
    };
    row.update = (group, ended) => {
      const mark = [group.step ? 1 : 0, group.turns.map((turn) => `${turn.turn_number}${turn.reply === null}`), group.effects.map((effect) => effect.status),
        group.asked.map((asked) => `${asked.id}${asked.answered_at}`), ended].join();
      if (mark === row.mark) return;
      row.mark = mark;
      row.group = group;
      fill(heading, ...headline(group, ended));
      item.className = `step ${look(group, ended)}`;
      row.body();
    };
    this.rows.set(number, row);
    return row;
  }

  /** Opens or closes all that is shown. */
  openAll(open) {
    for (const row of this.rows.values()) row.details.open = open;
  }
}

function look({ step }, ended) {
  if (!step) return ended ? "none" : "going";
  if (step.result?.status === "skipped") return "skipped";
  return step.result?.success === false ? "bad" : "good";
}

const LOOKS = {
  good: ["✓", "succeeded"], bad: ["✕", "failed"], skipped: ["–", "skipped"], going: ["…", "under way"], none: ["·", "no step"],
};

function headline(group, ended) {
  const { step, number } = group;
  const kind = look(group, ended);
  const [mark, word] = LOOKS[kind];
  const planned = step?.plan ?? planOf(group.turns.at(-1)?.reply);
  const name = planned?.action ?? step?.result?.action_name ?? (planned?.finished ? "finished" : "");
  const error = step?.result?.success === false ? step.result.error : undefined;
  const asked = group.asked.some((one) => !one.answered_at);
  const refused = group.turns.filter((turn) => turn.refused).length;
  return [
    h("span", { class: "number" }, kind === "none" ? "·" : String(number)),
    h("span", { class: "name" }, name ? cut(name, 120) : kind === "none" ? "After the last step" : "The model is asked"),
    h("span", { class: `outcome is-${kind}` }, h("span", { "aria-hidden": "true" }, asked ? "?" : mark), ` ${asked ? "waits for a person" : word}`),
    error && h("span", { class: "code" }, cut(error.errorCode ?? error.code ?? "error", 80)),
    h("span", { class: "facts" },
      refused > 0 && h("span", {}, `${refused} refused`),
      group.effects.length > 0 && h("span", {}, count(group.effects.length, "effect")),
      step && h("span", {}, duration(step.duration_ms)),
      step && moment(step.started_at)),
  ];
}

function planOf(reply) {
  if (typeof reply !== "string" || reply.length > 100000) return undefined;
  try {
    const plan = JSON.parse(reply);
    return typeof plan === "object" && plan !== null ? plan : undefined;
  } catch { return undefined; }
}

const section = (title, ...children) => h("section", {}, h("h4", {}, title), ...children);

function sections(group, record) {
  const { step, turns, effects, asked } = group;
  const made = [];
  if (step) {
    const plan = step.plan ?? {};
    made.push(section("Input", show(plan.args ?? plan)));
    const error = step.result?.success === false ? step.result.error : undefined;
    if (error) made.push(section("Error", failure(error)));
    if (!error || step.result?.output !== undefined) {
      made.push(section("Output", step.result?.output === undefined ? h("p", { class: "faint" }, "None.") : show(step.result.output)));
    }
    if (Array.isArray(step.result?.attempts)) made.push(section("Attempts", show(step.result.attempts)));
    const before = record.before(step.step_number);
    made.push(section("Changes of the observation",
      before === undefined ? h("p", { class: "faint" }, "The observation before is not known to this page.") : showChanges(before, step.observation)));
    if (step.logs !== undefined) made.push(section("Logs", show(step.logs)));
  }
  if (effects.length) made.push(section("Effects", effectTable(effects)));
  if (asked.length) made.push(section("Questions to a person", paged(asked, question)));
  if (turns.length) made.push(section("Turns of the model", paged(turns, turnOf)));
  return made.length ? made : [h("p", { class: "faint" }, "Nothing is known yet.")];
}

/** An error object in words. */
export function failure(error) {
  const { errorCode, code, message, ...rest } = error ?? {};
  return h("div", { class: "failure" },
    h("p", {}, h("code", {}, cut(errorCode ?? code ?? "error", 80)), " ", cut(message ?? "", 2000)),
    Object.keys(rest).length > 0 && show(rest));
}

function paged(items, draw) {
  const list = h("ul", { class: "entries" }, items.slice(0, MOST_ENTRIES).map((item) => h("li", {}, draw(item))));
  return items.length > MOST_ENTRIES ? [list, h("p", { class: "faint" }, `${items.length - MOST_ENTRIES} more stand in the transcript.`)] : list;
}

function effectTable(effects) {
  const shown = effects.slice(0, MOST_ENTRIES);
  return [h("table", { class: "effects" },
    h("thead", {}, h("tr", {}, ["When", "Kind", "Target", "Status"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, shown.map((effect) => h("tr", {},
      h("td", {}, moment(effect.at)), h("td", {}, cut([effect.kind, effect.method].filter(Boolean).join(" "), 40)),
      h("td", { class: "target" }, cut(effect.target ?? "", 2000)),
      h("td", { class: failed(effect.status) ? "bad" : "" }, failed(effect.status) && h("span", { "aria-hidden": "true" }, "✕ "), cut(effect.status ?? "–", 40)))))),
  effects.length > shown.length && h("p", { class: "faint" }, `${effects.length - shown.length} more stand in the transcript.`)];
}

const failed = (status) => (typeof status === "number" ? status >= 400 || status === 0 : ["interrupted", "failed", "rejected"].includes(status));

function question(asked) {
  const who = asked.answered_by ? ` by ${cut(asked.answered_by, 256)}` : "";
  return [
    h("p", {}, h("q", {}, cut(asked.prompt ?? "", 4000))),
    h("p", { class: "faint" }, "Asked ", moment(asked.asked_at),
      asked.answered_at ? [`; ${cut(asked.outcome ?? "settled", 40)}${who} `, moment(asked.answered_at)] : "; waits for an answer"),
    asked.output !== undefined && asked.output !== null && show(asked.output),
  ];
}

function turnOf(turn) {
  const usage = turn.usage ?? {};
  const tokens = Object.entries(usage).filter(([, value]) => typeof value === "number").slice(0, 4)
    .map(([name, value]) => `${cut(name.replaceAll("_", " "), 40)} ${value}`);
  const facts = [turn.refused ? "refused" : turn.error ? "no reply" : "taken", turn.finish_reason && `ended with ${cut(turn.finish_reason, 40)}`, ...tokens].filter(Boolean);
  const plan = planOf(turn.reply);
  const messages = Array.isArray(turn.messages) ? turn.messages : [];
  return [
    h("p", { class: "faint" }, `Turn ${cut(turn.turn_number, 12)}, `, moment(turn.at), `: ${facts.join(" · ")}`),
    turn.error && failure(turn.error),
    turn.refused && typeof turn.refused === "object" && failure(Array.isArray(turn.refused) ? { errorCode: "refused", errors: turn.refused } : turn.refused),
    plan ? show(plan) : typeof turn.reply === "string" && show(turn.reply),
    messages.length > 0 && lazy(`What the model was shown (${count(messages.length, "message")})`, () => messages.slice(0, MOST_ENTRIES).map((message) =>
      h("div", { class: "message" }, h("p", { class: "role" }, cut(message?.role ?? "?", 40)),
        typeof message?.content === "string" ? prose(message.content) : show(message?.content)))),
  ];
}

function prose(content) {
  const most = 4000;
  const text = h("p", { class: "prose" }, cut(content, most));
  if (content.length <= most) return text;
  const more = h("button", { type: "button", class: "link", onclick: () => { fill(text, cut(content, 200000)); more.remove(); } }, `${content.length - most} more characters`);
  return [text, more];
}

/** Something that is made when it is opened. */
export function lazy(title, make) {
  const body = h("div", { class: "lazy" });
  const details = h("details", { class: "fold" }, h("summary", {}, title), body);
  details.addEventListener("toggle", () => { if (details.open && !body.firstChild) fill(body, make()); });
  return details;
}
