// One session: what it is, what waits, what happened.

import { h, fill, cut, badge, moment, count, announce, confirmed } from "/console/dom.js";
import { call, open, freshKey, pathOf, save } from "/console/api.js";
import { Stream } from "/console/stream.js";
import { Record } from "/console/record.js";
import { Timeline } from "/console/timeline.js";
import { Question } from "/console/question.js";
import { show } from "/console/json.js";

const FINISHED = ["completed", "max_steps_reached", "failed", "expired"];
const BETWEEN_READS_MS = 800;

/** The view of a session, followed until it is left. */
export class Session {
  constructor(main, id, { failed, well, title }) {
    Object.assign(this, { id, failed, well, title, record: new Record(), gone: false, path: pathOf(id) });
    this.timeline = new Timeline(this.record);
    this.heading = h("h1", { tabindex: "-1" }, "Session");
    this.facts = h("div", { class: "facts-line" });
    this.run = h("button", { type: "button", class: "primary", hidden: true, onclick: () => this.askRun() }, "Run");
    this.end = h("button", { type: "button", class: "danger", hidden: true, onclick: () => this.askClose() }, "Close");
    this.load = h("button", { type: "button", class: "plain", hidden: true, onclick: () => this.download() }, "Download");
    this.problem = h("p", { class: "problem", tabindex: "-1", hidden: true });
    this.place = h("div", { class: "question-place" });
    this.state = h("span", { class: "stream" }, "Reading…");
    this.opener = h("button", { type: "button", class: "link", "aria-pressed": "false", onclick: () => this.openAll() }, "Open all");
    this.now = h("div", {});
    fill(main, h("div", { class: "page" },
      h("nav", { "aria-label": "Where you are" }, h("a", { href: "#/" }, "← Sessions")),
      h("div", { class: "session-head" }, h("div", { class: "session-title" }, this.heading, this.facts), h("div", { class: "buttons" }, this.run, this.load, this.end)),
      this.problem, this.place,
      h("div", { class: "columns" },
        h("section", { "aria-labelledby": "timeline-title", class: "timeline" },
          h("div", { class: "section-head" }, h("h2", { id: "timeline-title" }, "Timeline"), this.state, this.opener), this.timeline.element),
        h("section", { "aria-labelledby": "now-title", class: "now", tabindex: "0" }, h("div", { class: "section-head" }, h("h2", { id: "now-title" }, "Observation now")), this.now))));
    this.read(true);
  }

  close() {
    this.gone = true;
    this.stream?.close();
    clearTimeout(this.timer);
    clearTimeout(this.again);
    cancelAnimationFrame(this.frame);
  }

  /** Reads the session; the first time the stream of its events follows. */
  async read(first = false) {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.reading) return void (this.stale = true);
    this.reading = true;
    try {
      const session = await call(this.path);
      if (this.gone) return;
      this.well();
      this.session = session;
      this.record.initial = session.initial_observation;
      this.draw();
      if (first || !this.stream) this.follow();
    } catch (refusal) {
      if (this.gone) return;
      if (refusal.status === 404) await this.readClosed(refusal);
      else {
        const wait = this.failed(refusal, () => this.read(first));
        if (wait) this.again = setTimeout(() => this.read(first), wait);
      }
    } finally {
      this.reading = false;
      if (this.stale && !this.gone) {
        this.stale = false;
        this.soon();
      }
    }
  }

  /** A session that is not open any more still has its transcript. */
  async readClosed(refusal) {
    this.stream?.close();
    try {
      const transcript = await call(`${this.path}/transcript`);
      if (this.gone) return;
      this.well();
      this.closedWith(transcript);
    } catch (error) {
      if (!this.gone) this.failed(error.status === 404 || error.status === 409 ? refusal : error, () => this.read());
    }
  }

  closedWith(transcript) {
    if (typeof transcript !== "object" || transcript === null) return;
    this.stream?.close();
    this.record.takeTranscript(transcript);
    this.session = { ...transcript, steps_done: transcript.steps?.length ?? 0, observation: transcript.final_observation, end: transcript.status, status: "closed", pending: undefined, running: false };
    this.tell("ended");
    this.draw();
  }

  follow() {
    this.stream = new Stream(`${this.path}/events`, {
      event: (name, data) => this.event(name, data),
      state: (word, seconds, refusal) => this.tell(word, seconds, refusal),
      lost: (refusal) => { if (refusal.status === 404) this.read(); else this.failed(refusal, () => this.follow()); },
    });
  }

  event(name, data) {
    if (name === "end") {
      announce(`The session ended: ${data.status}`);
      return this.soon(0);
    }
    if (!this.record.take(name, data)) return;
    const fresh = this.session && data.step_number > this.session.steps_done;
    if (name === "step" && fresh) announce(`Step ${data.step_number}: ${data.result?.action_name ?? data.plan?.action ?? ""} ${data.result?.success === false ? "failed" : "succeeded"}`);
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.timeline.draw();
    });
    if (name === "intervention" || fresh) this.soon();
  }

  /** Reads the session a little later, once for all that happens until then. */
  soon(wait = BETWEEN_READS_MS) {
    if (this.gone) return;
    if (this.timer && wait > 0) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), wait);
  }

  tell(word, seconds, refusal) {
    const told = { live: "Live", ended: "Ended" }[word] ?? `Trying again in ${count(seconds ?? 1, "second")}`;
    this.state.className = `stream is-${word}`;
    fill(this.state, h("span", { "aria-hidden": "true" }, { live: "● ", ended: "■ " }[word] ?? "○ "), told);
    if (word === "live") this.well();
    if (word === "waiting" && refusal) this.failed(refusal, () => this.stream.wake(), true);
    if (word === "waiting" && !this.wasWaiting) announce("The connection is gone; it is tried again");
    if (word === "live" && this.wasWaiting) this.soon(0);
    this.wasWaiting = word === "waiting";
    if (word === "ended") this.timeline.ended = true;
  }

  draw() {
    const { session } = this;
    const title = cut(session.goal?.description ?? this.id, 300);
    fill(this.heading, title);
    this.title(title);
    const changed = this.status && this.status !== session.status;
    if (changed) announce(`Status: ${session.status.replaceAll("_", " ")}`);
    this.status = session.status;
    const { manifest, goal } = session;
    const over = FINISHED.includes(session.status) || session.status === "closed";
    this.timeline.ended = over;
    fill(this.facts,
      badge(session.status, session.running === true), session.end && badge(session.end),
      h("span", {}, `${session.steps_done}${session.max_steps ? ` of ${session.max_steps}` : ""} steps`),
      typeof session.max_steps === "number" && !over && h("progress", { max: session.max_steps, value: Number(session.steps_done) || 0, "aria-label": "Steps done" }),
      h("span", {}, cut(manifest?.name ?? "", 80), " ", h("span", { class: "faint" }, cut(manifest?.version ?? "", 40))),
      goal?.intent && h("span", {}, "intent ", h("code", {}, cut(goal.intent, 80))),
      session.created_at && h("span", {}, "opened ", moment(session.created_at, true)),
      h("code", { class: "faint id" }, this.id));
    this.run.hidden = session.status !== "active" || session.running === true;
    this.end.hidden = session.status === "closed";
    this.load.hidden = false;
    fill(this.load, session.status === "closed" ? "Download the transcript" : "Download what is known");
    this.drawQuestion(session.pending);
    const seen = JSON.stringify([session.steps_done, session.status, session.observation?.step]);
    if (this.seen !== seen) {
      this.seen = seen;
      fill(this.now, session.observation === undefined ? h("p", { class: "faint" }, "Not known.") : show(session.observation, "Observation now"));
    }
    this.timeline.draw();
  }

  /** A form that somebody is filling in stays as it is while its question waits. */
  drawQuestion(pending) {
    const id = typeof pending?.id === "string" ? pending.id : undefined;
    if (this.question?.pending.id === id && (id || !this.question)) return;
    const inside = this.place.contains(document.activeElement);
    this.question = undefined;
    fill(this.place);
    if (id) {
      this.question = new Question(this.id, pending, {
        settled: (mine, refusal) => this.settled(mine, refusal),
        lost: (refusal) => this.failed(refusal, () => {}),
      });
      fill(this.place, this.question.element);
      announce(`A question waits: ${cut(pending.prompt ?? "", 150)}`);
    }
    if (inside) (this.question?.element.querySelector("h2") ?? this.heading).focus();
  }

  settled(mine, refusal) {
    this.say(mine ? undefined : `Somebody else was first, or it was closed: ${cut(refusal.message, 300)}`);
    this.question = undefined;
    fill(this.place);
    (mine ? this.heading : this.problem).focus();
    this.soon(0);
  }

  say(text) {
    this.problem.hidden = !text;
    fill(this.problem, text ?? "");
  }

  /** Does something that a button asks for; what is refused stands below the buttons. */
  async act(button, doing) {
    this.say();
    button.disabled = true;
    try {
      await doing();
    } catch (refusal) {
      if (refusal.status === 401) return this.failed(refusal, () => {});
      const later = refusal.retryAfter ? ` Try again in ${refusal.retryAfter} s.` : "";
      this.say(`${cut(refusal.message, 1000)}${later}`);
      this.problem.focus();
    } finally {
      button.disabled = false;
    }
    this.soon(0);
  }

  async askRun() {
    if (!await confirmed("Run the session?", "The runtime takes its steps in the background, and calls the model and the services, until a person is asked or the session ends.", "Run")) return;
    await this.act(this.run, async () => {
      await call(`${this.path}/run`, { method: "POST", body: {}, key: freshKey() });
      announce("It runs");
      this.heading.focus();
    });
  }

  async askClose() {
    if (!await confirmed("Close the session?", "No further step can be taken, and a question that waits is cancelled. The transcript stays.", "Close", true)) return;
    await this.act(this.end, async () => {
      const answer = await call(`${this.path}/close`, { method: "POST", body: {}, key: freshKey() });
      announce("It is closed");
      this.closedWith(answer?.transcript);
      this.heading.focus();
    });
  }

  download() {
    return this.act(this.load, async () => {
      if (this.session.status === "closed") {
        const answer = await open(`${this.path}/transcript`);
        return save(await answer.blob(), `transcript-${this.id}.json`);
      }
      save(new Blob([JSON.stringify(this.record.known(this.session), null, 2)], { type: "application/json" }), `so-far-${this.id}.json`);
    });
  }

  openAll() {
    const opened = this.opener.getAttribute("aria-pressed") !== "true";
    this.opener.setAttribute("aria-pressed", String(opened));
    this.timeline.openAll(opened);
  }
}
