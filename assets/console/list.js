// The caller's sessions.

import { h, fill, cut, badge, moment, count, announce } from "/console/dom.js";
import { call } from "/console/api.js";

const PAGE = 50;
const LOOK_AGAIN_MS = 5000;
// A page may be empty although more follows; nobody follows for ever.
const MOST_EMPTY = 5;
const MOST_ROWS = 1000;

/** The list, kept up to date while it is looked at. */
export class List {
  constructor(main, { failed, well }) {
    this.failed = failed;
    this.well = well;
    this.rows = new Map();
    this.sessions = [];
    this.next = undefined;
    this.closed = false;
    // The roles stand here in words because a narrow page lays the table out as blocks.
    this.body = h("tbody", { role: "rowgroup" });
    this.note = h("p", { class: "faint", id: "list-note" }, "Reading…");
    this.more = h("button", { type: "button", class: "plain", hidden: true, onclick: () => this.further() }, "Show more sessions");
    this.table = h("table", { class: "sessions", role: "table", hidden: true, "aria-describedby": "list-note" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ["Status", "Goal", "Manifest", "Steps", "Opened"].map((name) => h("th", { scope: "col", role: "columnheader" }, name)))), this.body);
    this.heading = h("h1", { tabindex: "-1" }, "Sessions");
    fill(main, h("div", { class: "page" }, h("div", { class: "page-head" }, this.heading, this.note), this.table, this.more));
    this.look();
    this.back = () => { if (!document.hidden) this.look(); };
    document.addEventListener("visibilitychange", this.back);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.back);
  }

  /** Reads the first page again: new sessions come on top, known ones change in place. */
  async look() {
    clearTimeout(this.timer);
    if (this.closed || this.looking) return;
    this.looking = true;
    let wait = LOOK_AGAIN_MS;
    try {
      const page = await this.page(undefined);
      if (this.closed) return;
      const known = new Map(page.sessions.map((session) => [session.session_id, session]));
      if (this.deep) this.sessions = [...page.sessions, ...this.sessions.filter((session) => !known.has(session.session_id))].slice(0, MOST_ROWS);
      else {
        this.sessions = page.sessions;
        this.next = page.next;
      }
      this.well();
      this.draw();
    } catch (refusal) {
      if (this.closed) return;
      if (!this.sessions.length) fill(this.note, "");
      wait = this.failed(refusal, () => this.look());
    } finally {
      this.looking = false;
    }
    if (wait && !document.hidden && !this.closed) this.timer = setTimeout(() => this.look(), wait);
  }

  async page(after) {
    let next = after;
    for (let empty = 0; ; empty += 1) {
      const path = `/sessions?limit=${PAGE}${next ? `&after=${encodeURIComponent(next)}` : ""}`;
      const answer = await call(path);
      const sessions = (Array.isArray(answer?.sessions) ? answer.sessions : []).filter((one) => typeof one?.session_id === "string");
      next = typeof answer?.next === "string" ? answer.next : undefined;
      if (sessions.length || !next || empty === MOST_EMPTY) return { sessions, next };
    }
  }

  async further() {
    this.more.disabled = true;
    try {
      const page = await this.page(this.next);
      const known = new Set(this.sessions.map((session) => session.session_id));
      const first = this.sessions.length;
      this.sessions = [...this.sessions, ...page.sessions.filter((session) => !known.has(session.session_id))].slice(0, MOST_ROWS);
      this.next = this.sessions.length < MOST_ROWS ? page.next : undefined;
      this.deep = true;
      this.well();
      this.draw();
      this.body.children[first]?.querySelector("a")?.focus();
      announce(`${count(this.sessions.length, "session")} shown`);
    } catch (refusal) {
      this.failed(refusal, () => this.further());
    }
    this.more.disabled = false;
  }

  draw() {
    const waiting = this.sessions.filter((session) => session.pending).length;
    const told = !this.sessions.length ? "No sessions. A client opens one with POST /sessions, and it is listed here for the token that opened it."
      : `${count(this.sessions.length, "session")}${this.next ? ", and more" : ""}${waiting ? ` · ${waiting} ${waiting === 1 ? "waits" : "wait"} for a person` : ""}`;
    if (this.told !== told) {
      fill(this.note, told);
      announce(told);
      this.told = told;
    }
    this.table.hidden = !this.sessions.length;
    this.more.hidden = !this.next;
    const kept = new Set();
    this.sessions.forEach((session, index) => {
      const id = session.session_id;
      kept.add(id);
      let row = this.rows.get(id);
      if (!row) {
        row = { element: h("tr", { role: "row" }), link: h("a", { href: `#/session/${encodeURIComponent(id)}` }) };
        this.rows.set(id, row);
      }
      const mark = JSON.stringify(session);
      if (row.mark !== mark) {
        row.mark = mark;
        this.fillRow(row, session);
      }
      if (this.body.children[index] !== row.element) this.body.insertBefore(row.element, this.body.children[index] ?? null);
    });
    for (const [id, row] of this.rows) {
      if (!kept.has(id)) {
        row.element.remove();
        this.rows.delete(id);
      }
    }
  }

  fillRow(row, session) {
    fill(row.link, cut(session.goal?.description ?? session.session_id, 200));
    const cells = [
      h("td", { role: "cell", class: "cell-status" }, badge(session.status, session.running === true)),
      h("td", { role: "cell", class: "cell-goal" }, row.link, session.pending && h("span", { class: "asks" }, asks(session.pending))),
      h("td", { role: "cell", class: "cell-manifest" }, cut(session.manifest?.name ?? "–", 80), " ", h("span", { class: "faint" }, cut(session.manifest?.version ?? "", 40))),
      h("td", { role: "cell", class: "cell-steps" }, h("span", { class: "only-narrow" }, "Steps: "), cut(session.steps ?? "–", 8)),
      h("td", { role: "cell", class: "cell-opened" }, moment(session.created_at, true)),
    ];
    // The link stays in the page when its row changes, so that whoever is on it is not thrown out.
    const focused = document.activeElement === row.link;
    row.element.replaceChildren(...cells);
    if (focused) row.link.focus();
  }
}

function asks(pending) {
  const about = pending.action_name ? `: ${cut(pending.action_name, 80)}` : "";
  return { approval: `approve${about}`, human_intervention: `answer${about}`, invalid_plan: "no valid plan" }[pending.kind] ?? "a question";
}
