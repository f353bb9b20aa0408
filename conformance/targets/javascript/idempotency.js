/**
 * Safe repetition (idempotency.md): the answer of a request with a key is kept, if it was final, and given again. Of
 * requests with one key at the same time one runs and the others wait for it.
 */
import { canonical, has, isObject, obj, sha256 } from './json.js';
import { ApiError, invalidRequest, violation } from './errors.js';

const KEPT_MS = 24 * 3600 * 1000;
const MAX_ENTRIES = 50000;
const MAX_CHARACTERS = 256 * 1048576;

/** The key of a request, from its header or (where `inBody`) its body; undefined if there is none. */
export function keyOf(headers, body, inBody) {
  const fits = (key) => typeof key === 'string' && /^[ -~]{1,255}$/.test(key);
  const header = headers['idempotency-key'];
  if (header !== undefined && !fits(header)) throw invalidRequest([violation('', 'Idempotency-Key', 'a key has 1 to 255 printable ASCII characters')]);
  if (!inBody || !isObject(body) || !has(body, 'requestId')) return header;
  if (!fits(body.requestId)) throw invalidRequest([violation('/requestId', 'pattern', 'a key has 1 to 255 printable ASCII characters')]);
  if (header !== undefined && header !== body.requestId) throw invalidRequest([violation('/requestId', 'const', 'header and body bring two different keys')]);
  return body.requestId;
}

function fingerprint(body, inBody) {
  let compared = body === undefined ? obj() : body;
  if (inBody && isObject(compared) && has(compared, 'requestId')) {
    compared = obj(compared);
    delete compared.requestId;
  }
  return sha256(canonical(compared));
}

const isFinal = ({ status, retryable }) => (status >= 200 && status < 300 && status !== 202)
  || (status >= 400 && status < 500 && !retryable && ![401, 409, 429].includes(status));

export class Idempotency {
  constructor() {
    this.entries = new Map();
    this.size = 0;
  }

  /**
   * Runs `request` unless its answer is known.
   * @param {string} scope method and path
   * @param {() => Promise<{status, text, retryable, repeat?}>} request must not throw; `repeat` decides what a repetition of a
   *        202 is answered (workflows.md 14.2), undefined meaning that it runs again
   */
  async run(scope, key, body, inBody, request) {
    if (key === undefined) return request();
    const name = `${scope}\n${key}`;
    const print = fingerprint(body, inBody);
    for (;;) {
      const known = this.entries.get(name);
      if (!known) break;
      if (known.print !== print) {
        if (known.answer === null || this.isFresh(known)) throw new ApiError('idempotency_conflict', 'the key was used with another body');
      }
      if (known.answer === null) { await known.running; continue; }
      if (!this.isFresh(known)) { this.drop(name); break; }
      if (!known.answer.repeat) return known.answer;
      const repeated = known.answer.repeat();
      if (repeated) return repeated;
      this.drop(name);
    }
    const entry = { print, answer: null, at: Date.now() };
    this.entries.set(name, entry);
    let done;
    entry.running = new Promise((resolve) => { done = resolve; });
    try {
      const answer = await request();
      if (isFinal(answer) || answer.repeat) {
        entry.answer = answer;
        this.size += answer.text.length;
        this.trim();
      } else this.entries.delete(name);
      return answer;
    } finally {
      if (entry.answer === null) this.entries.delete(name);
      done();
    }
  }

  isFresh(entry) { return Date.now() - entry.at < KEPT_MS; }

  drop(name) {
    this.size -= this.entries.get(name).answer?.text.length ?? 0;
    this.entries.delete(name);
  }

  /** The oldest go first; what still runs stays. */
  trim() {
    for (const [name, entry] of this.entries) {
      if (this.entries.size <= MAX_ENTRIES && this.size <= MAX_CHARACTERS) return;
      if (entry.answer !== null) this.drop(name);
    }
  }
}
