// The question that waits for a person, with what it takes to answer it.

import { h, fill, cut, announce, confirmed } from "/console/dom.js";
import { show } from "/console/json.js";
import { call, freshKey, pathOf } from "/console/api.js";
import { Answer, Json } from "/console/form.js";
import { failure } from "/console/timeline.js";

const TITLES = { human_intervention: "A question for you", approval: "An approval is asked for", invalid_plan: "The model gave no valid plan" };

/** Draws a question and answers it. Calls `settled()` when it does not wait any more, `lost(refusal)` for a 401. */
export class Question {
  constructor(id, pending, { settled, lost }) {
    this.pending = pending;
    this.path = `${pathOf(id)}/interventions/${encodeURIComponent(pending.id)}`;
    this.settled = settled;
    this.lost = lost;
    this.keys = new Map();
    this.problem = h("p", { class: "problem", tabindex: "-1", hidden: true });
    this.buttons = h("div", { class: "buttons" });
    this.form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.submit(); } });
    this.element = h("section", { class: "question", "aria-labelledby": "question-title" },
      h("h2", { id: "question-title", tabindex: "-1" }, TITLES[pending.kind] ?? "A question waits"),
      h("p", { class: "prompt" }, cut(pending.prompt ?? "", 20000)), this.subject(), this.form);
    this[pending.kind === "approval" ? "approval" : pending.kind === "invalid_plan" ? "plan" : "answer"]();
  }

  /** What it is about. */
  subject() {
    const { action_name: name, args, fallback_action: fallback, refusals } = this.pending;
    const empty = args === undefined || (typeof args === "object" && args !== null && !Object.keys(args).length);
    return [
      (name || !empty) && h("dl", { class: "facts-list" },
        name && [h("dt", {}, "Action"), h("dd", {}, h("code", {}, cut(name, 200)))],
        !empty && [h("dt", {}, "With"), h("dd", {}, show(args))],
        fallback && [h("dt", {}, "If it fails"), h("dd", {}, h("code", {}, cut(fallback, 200)), " runs instead")]),
      Array.isArray(refusals) && h("ol", { class: "entries" }, refusals.slice(0, 10).map((refusal) => h("li", {},
        show(refusal?.reply), (Array.isArray(refusal?.errors) ? refusal.errors : []).slice(0, 20).map(failure)))),
    ];
  }

  approval() {
    this.submit = () => this.send({ decision: "approve" });
    this.place([], this.button("Approve", "primary", () => this.submit()), this.button("Reject", "danger", () => this.send({ decision: "reject" })));
  }

  answer() {
    this.fields = new Answer(this.pending.output_schema);
    this.submit = () => {
      const read = this.fields.read();
      if (read) this.send({ output: read.value });
    };
    this.place([this.fields.element], h("button", { class: "primary" }, "Send the answer"), this.button("Reject", "danger", () => this.send({ decision: "reject" })));
  }

  plan() {
    const field = new Json({}, "A plan to use instead, in JSON");
    field.mark = (violations) => {
      field.say(violations.slice(0, 10).map((one) => `${cut(one?.pointer ?? "", 200)}: ${cut(one?.message ?? one?.rule ?? "not valid", 300)}`).join("; "));
      field.focus();
      return { left: [], focused: true };
    };
    this.fields = field;
    this.submit = () => {
      const { value, problem } = field.read();
      field.say(problem);
      if (problem) field.focus();
      else this.send({ output: { plan: value } });
    };
    this.place([field.element], h("button", { class: "primary" }, "Use this plan"),
      this.button("Let the model try again", "plain", () => this.send({ output: { retry: true } })),
      this.button("Give up", "danger", async () => {
        if (await confirmed("Give the session up?", "It ends as failed and cannot go on.", "Give up", true)) this.send({ decision: "reject" });
      }));
  }

  button(word, look, onclick) {
    return h("button", { type: "button", class: look, onclick }, word);
  }

  place(fields, ...buttons) {
    fill(this.buttons, ...buttons);
    fill(this.form, ...fields, this.problem, this.buttons);
  }

  say(text) {
    this.problem.hidden = !text;
    fill(this.problem, text ?? "");
  }

  busy(on) {
    this.form.setAttribute("aria-busy", String(on));
    for (const button of this.buttons.children) button.disabled = on;
  }

  async send(body) {
    if (this.form.getAttribute("aria-busy") === "true") return;
    const pressed = document.activeElement;
    // The same answer again is the same call, so that one that got lost on the way counts once.
    const text = JSON.stringify(body);
    if (!this.keys.has(text)) this.keys.set(text, freshKey());
    this.say();
    this.busy(true);
    try {
      await call(this.path, { method: "POST", body, key: this.keys.get(text) });
      announce(body.decision === "reject" ? "Rejected" : body.decision ? "Approved" : "Answered");
      this.settled(true);
    } catch (refusal) {
      this.busy(false);
      this.refused(refusal, text, pressed);
    }
  }

  refused(refusal, text, pressed) {
    if (refusal.status === 401) return this.lost(refusal);
    if (refusal.status !== 0) this.keys.delete(text);
    if (["intervention_answered", "intervention_not_found", "session_not_found"].includes(refusal.code)) {
      announce("The question does not wait any more");
      return this.settled(false, refusal);
    }
    if (refusal.violations.length && this.fields) {
      const { left, focused } = this.fields.mark(refusal.violations);
      if (left.length || !focused) this.say([cut(refusal.message, 500), ...left].join(" · "));
      if (focused) return announce(`Refused: ${refusal.message}`);
    } else if (refusal.status === 0) {
      this.say("The runtime cannot be reached, so it is not known whether the answer arrived. Send the same answer again: it counts once.");
    } else {
      const later = refusal.retryAfter ? ` Try again in ${refusal.retryAfter} s.` : "";
      this.say(`${cut(refusal.message, 1000)}${later}`);
    }
    this.problem.focus();
    announce(this.problem.textContent);
    if (refusal.status === 0 && pressed?.isConnected) pressed.disabled = false;
  }
}
