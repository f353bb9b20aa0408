// What is known of one session: the entries by their keys, an entry that comes again replaces the one before.

// So many steps are kept in the page; the transcript has all.
const MOST_STEPS = 2000;

const KEYS = { turn: "turn_number", step: "step_number", side_effect: "number", intervention: "id" };

export class Record {
  constructor() {
    this.turn = new Map();
    this.step = new Map();
    this.side_effect = new Map();
    this.intervention = new Map();
    this.dropped = 0;
    this.initial = undefined;
  }

  /** Takes an event; true when it was one of ours. */
  take(name, data) {
    const key = KEYS[name];
    if (!key || (typeof data[key] !== "number" && typeof data[key] !== "string")) return false;
    this[name].set(data[key], data);
    if (name === "step" && this.step.size > MOST_STEPS) this.drop();
    return true;
  }

  /** Takes what a transcript holds. */
  takeTranscript(transcript) {
    const list = (member) => (Array.isArray(transcript[member]) ? transcript[member] : []).filter((item) => item && typeof item === "object");
    list("turns").forEach((turn) => this.take("turn", turn));
    list("side_effects").forEach((effect, index) => this.take("side_effect", { number: index + 1, ...effect }));
    list("interventions").forEach((asked) => this.take("intervention", asked));
    list("steps").forEach((step) => this.take("step", step));
    this.initial = transcript.initial_observation;
  }

  drop() {
    const oldest = Math.min(...this.step.keys());
    this.step.delete(oldest);
    for (const kept of [this.turn, this.side_effect, this.intervention]) {
      for (const [key, value] of kept) if (value.step_number <= oldest) kept.delete(key);
    }
    this.dropped += 1;
  }

  /** The number of the last step that counted. */
  get last() {
    let last = this.dropped;
    for (const number of this.step.keys()) if (number > last) last = number;
    return last;
  }

  /** The observation before this step, if it is known. */
  before(number) {
    return number === 1 ? this.initial : this.step.get(number - 1)?.observation;
  }

  /** The steps in their order, each with its turns, effects and questions; the last may be one that has not counted yet. */
  groups() {
    const groups = new Map();
    const next = this.last + 1;
    const of = (number) => {
      const place = Number.isInteger(number) && number > 0 ? number : next;
      if (!groups.has(place)) groups.set(place, { number: place, step: this.step.get(place), turns: [], effects: [], asked: [] });
      return groups.get(place);
    };
    for (const number of this.step.keys()) of(number);
    // A reply that was refused has no step of its own: it belongs to the one that came of asking again.
    let refused = [];
    for (const turn of [...this.turn.values()].sort((one, two) => one.turn_number - two.turn_number)) {
      if (!Number.isInteger(turn.step_number)) refused.push(turn);
      else {
        of(turn.step_number).turns.push(...refused, turn);
        refused = [];
      }
    }
    if (refused.length) of(next).turns.push(...refused);
    for (const effect of this.side_effect.values()) of(effect.step_number).effects.push(effect);
    for (const asked of this.intervention.values()) of(asked.step_number).asked.push(asked);
    return [...groups.values()].sort((one, two) => one.number - two.number);
  }

  /** All of it as JSON, for a download while the session is still open. */
  known(session) {
    return {
      session_id: session.session_id, status: session.status, goal: session.goal, manifest: session.manifest,
      initial_observation: this.initial, turns: [...this.turn.values()], steps: [...this.step.values()],
      interventions: [...this.intervention.values()], side_effects: [...this.side_effect.values()], final_observation: session.observation,
    };
  }
}
