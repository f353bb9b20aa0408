// The events of a session, read from a fetch: a browser's EventSource cannot send the token.

import { open, read, Refusal } from "/console/api.js";

const LONGEST_EVENT = 32 * 1024 * 1024;
// The runtime says something every 15 seconds; a connection that is silent for longer than this is gone.
const SILENCE_MS = 40000;
const LONGEST_WAIT_MS = 15000;

/** Splits what arrives into events. */
export class Lines {
  constructor() {
    this.rest = "";
    this.name = "";
    this.data = [];
    this.size = 0;
  }

  /** The events that are whole with this piece. Throws when one is larger than anything honest. */
  take(piece) {
    const events = [];
    const lines = (this.rest + piece).split("\n");
    this.rest = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (this.data.length) events.push({ name: this.name || "message", id: this.id, data: this.data.join("\n") });
        this.name = "";
        this.id = undefined;
        this.data = [];
        this.size = 0;
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") this.name = value;
      if (field === "id" && /^[0-9]{1,15}$/.test(value)) this.id = value;
      if (field === "data") {
        this.size += value.length;
        this.data.push(value);
      }
    }
    if (this.size + this.rest.length > LONGEST_EVENT) throw new Refusal(0, { message: "An event was too large to read." });
    return events;
  }
}

/** Follows a session until it ends, whatever the network does.
 *  Tells `event(name, data)`, `state(word, seconds, refusal)` with live, waiting or ended, and `lost(refusal)` when asking again is no use. */
export class Stream {
  constructor(path, tell) {
    this.path = path;
    this.tell = tell;
    this.last = undefined;
    this.tries = 0;
    this.closed = false;
    this.wake = () => this.hurry?.();
    addEventListener("online", this.wake);
    this.run();
  }

  /** Ends it. */
  close() {
    this.closed = true;
    removeEventListener("online", this.wake);
    this.abort?.abort();
    this.hurry?.();
  }

  async run() {
    while (!this.closed) {
      let refusal;
      try {
        if (await this.once()) return this.close();
      } catch (error) {
        if (this.closed) return;
        refusal = error instanceof Refusal ? error : new Refusal(0, { message: "The connection to the runtime broke." });
        if (!refusal.passing) {
          this.close();
          return this.tell.lost(refusal);
        }
      }
      if (this.closed) return;
      await this.pause(refusal);
    }
  }

  /** One connection; true when the session ended. */
  async once() {
    this.abort = new AbortController();
    const headers = { Accept: "text/event-stream" };
    if (this.last !== undefined) headers["Last-Event-ID"] = this.last;
    let silence = setTimeout(() => this.abort.abort(), SILENCE_MS);
    try {
      const answer = await open(this.path, { headers, signal: this.abort.signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const lines = new Lines();
      this.tell.state("live");
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return false;
        clearTimeout(silence);
        silence = setTimeout(() => this.abort.abort(), SILENCE_MS);
        this.tries = 0;
        for (const event of lines.take(value)) {
          if (event.id !== undefined) this.last = event.id;
          if (this.take(event)) return true;
        }
      }
    } finally {
      clearTimeout(silence);
      this.abort.abort();
    }
  }

  take(event) {
    let data;
    try { data = read(event.data); } catch { return false; }
    if (typeof data !== "object" || data === null) return false;
    this.tell.event(event.name, data);
    if (event.name !== "end") return false;
    this.tell.state("ended");
    return true;
  }

  /** Waits before the next try: what the runtime asked for, else longer each time, and never two pages in step. */
  async pause(refusal) {
    const grown = Math.min(500 * 2 ** Math.min(this.tries, 8), LONGEST_WAIT_MS);
    this.tries += 1;
    const wait = refusal?.retryAfter ? refusal.retryAfter * 1000 : grown * (0.5 + Math.random() / 2);
    this.tell.state("waiting", Math.ceil(wait / 1000), refusal);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.hurry = () => { clearTimeout(timer); resolve(); };
    });
    this.hurry = undefined;
  }
}
