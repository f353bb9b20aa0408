/**
 * JSON as the protocol reads it: strict text, no duplicate names, bounded nesting, exact 64-bit integers.
 *
 * The value model differs from JSON.parse in three points:
 *  - objects have no prototype, so that names such as `__proto__` and `constructor` are members like any other;
 *  - an integer beyond 2^53 that fits 64 bits is a BigInt, one beyond 64 bits a double;
 *  - a double that looks like a small integer (`1.0`, `1e3`) is boxed in `Float`, since expressions tell 1 from 1.0.
 */
import { createHash } from 'node:crypto';

export class Float {
  constructor(value) { this.value = value; }
}

export class JsonError extends Error {
  /** @param {string} code malformed_json, invalid_utf8, duplicate_key or too_deep */
  constructor(code, message, pointer = '') {
    super(message);
    this.code = code;
    this.pointer = pointer;
  }
}

export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;

export const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Float);
export const isNumber = (v) => typeof v === 'number' || typeof v === 'bigint' || v instanceof Float;
export const has = (object, name) => Object.hasOwn(object, name);

/** An object without a prototype, from pairs or another object. */
export function obj(members = {}) {
  return Object.assign(Object.create(null), members);
}

/** The integer as this model holds it: a number while that is exact, else a BigInt. */
export function makeInteger(big) {
  return big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big;
}

export const makeDouble = (n) => (Number.isSafeInteger(n) ? new Float(n) : n);

/** True for an integer in the sense of expressions (and not for a double with an integral value). */
export const isInteger = (v) => typeof v === 'bigint' || (typeof v === 'number' && Number.isSafeInteger(v));

export const numeric = (v) => (v instanceof Float ? v.value : v);

/** Decodes strictly; a byte order mark stays in the text, where it is no JSON. */
export function decodeUtf8(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new JsonError('invalid_utf8', 'the text is not UTF-8');
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
// eslint-disable-next-line no-control-regex
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

class Parser {
  constructor(text, { maxDepth = 64, duplicates = 'refuse' }) {
    this.text = text;
    this.at = 0;
    this.depth = 0;
    this.maxDepth = maxDepth;
    this.refuseDuplicates = duplicates === 'refuse';
    this.path = [];
    this.duplicate = null;
  }

  fail(message = 'the text is not one JSON value') { throw new JsonError('malformed_json', message); }

  space() {
    const { text } = this;
    for (;;) {
      const c = text.charCodeAt(this.at);
      if (c === 32 || c === 10 || c === 13 || c === 9) this.at++;
      else return;
    }
  }

  document() {
    this.space();
    const value = this.value();
    this.space();
    if (this.at !== this.text.length) this.fail('there is text after the JSON value');
    if (this.duplicate !== null) throw new JsonError('duplicate_key', 'an object names a member twice', this.duplicate);
    return value;
  }

  value() {
    switch (this.text[this.at]) {
      case '{': return this.object();
      case '[': return this.array();
      case '"': return this.string();
      case 't': return this.word('true', true);
      case 'f': return this.word('false', false);
      case 'n': return this.word('null', null);
      default: return this.number();
    }
  }

  word(word, value) {
    if (!this.text.startsWith(word, this.at)) this.fail();
    this.at += word.length;
    return value;
  }

  number() {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (!match) this.fail();
    this.at = NUMBER.lastIndex;
    const [lexeme, fraction, exponent] = match;
    const n = Number(lexeme);
    if (!Number.isFinite(n)) this.fail('a number is too large');
    if (fraction === undefined && exponent === undefined) {
      if (Object.is(n, -0)) return 0;
      if (Number.isSafeInteger(n)) return n;
      if (lexeme.length > 20) return n;
      const big = BigInt(lexeme);
      return big >= INT64_MIN && big <= INT64_MAX ? big : n;
    }
    return makeDouble(n);
  }

  string() {
    const { text } = this;
    let out = '';
    this.at++;
    for (;;) {
      PLAIN.lastIndex = this.at;
      PLAIN.exec(text);
      out += text.slice(this.at, PLAIN.lastIndex);
      this.at = PLAIN.lastIndex;
      const c = text[this.at];
      if (c === '"') { this.at++; return out; }
      if (c !== '\\') this.fail('a string is not closed or holds a control character');
      const e = text[this.at + 1];
      if (e === 'u') {
        let unit = this.hex(this.at + 2);
        this.at += 6;
        if (unit >= 0xdc00 && unit <= 0xdfff) this.fail('a surrogate stands alone');
        if (unit >= 0xd800 && unit <= 0xdbff) {
          if (text[this.at] !== '\\' || text[this.at + 1] !== 'u') this.fail('a surrogate stands alone');
          const low = this.hex(this.at + 2);
          if (low < 0xdc00 || low > 0xdfff) this.fail('a surrogate stands alone');
          this.at += 6;
          unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        }
        out += String.fromCodePoint(unit);
      } else if (e !== undefined && has(ESCAPES, e)) {
        out += ESCAPES[e];
        this.at += 2;
      } else this.fail('a string has an unknown escape');
    }
  }

  hex(at) {
    const digits = this.text.slice(at, at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail('a string has an unknown escape');
    return parseInt(digits, 16);
  }

  enter() {
    if (++this.depth > this.maxDepth) throw new JsonError('too_deep', `there are more than ${this.maxDepth} levels of nesting`);
    this.at++;
    this.space();
  }

  array() {
    const out = [];
    this.enter();
    if (this.text[this.at] === ']') { this.at++; this.depth--; return out; }
    for (;;) {
      this.path.push(out.length);
      out.push(this.value());
      this.path.pop();
      this.space();
      const c = this.text[this.at++];
      if (c === ']') break;
      if (c !== ',') this.fail();
      this.space();
    }
    this.depth--;
    return out;
  }

  object() {
    const out = Object.create(null);
    this.enter();
    if (this.text[this.at] === '}') { this.at++; this.depth--; return out; }
    for (;;) {
      if (this.text[this.at] !== '"') this.fail();
      const name = this.string();
      this.space();
      if (this.text[this.at++] !== ':') this.fail();
      this.space();
      this.path.push(name);
      if (this.refuseDuplicates && this.duplicate === null && name in out) this.duplicate = joinPointer(this.path);
      out[name] = this.value();
      this.path.pop();
      this.space();
      const c = this.text[this.at++];
      if (c === '}') break;
      if (c !== ',') this.fail();
      this.space();
    }
    this.depth--;
    return out;
  }
}

/**
 * Reads one JSON value; throws JsonError.
 * @param {string} text
 * @param {{maxDepth?: number, duplicates?: 'refuse' | 'last'}} options
 */
export function parse(text, options = {}) {
  return new Parser(text, options).document();
}

function numberText(v) {
  if (v instanceof Float) return Object.is(v.value, -0) ? '-0.0' : `${v.value}.0`;
  return String(v);
}

/** Compact JSON that keeps the kind of every number. */
export function stringify(v) {
  if (v === null || v === undefined) return 'null';
  if (typeof v === 'string') return JSON.stringify(v);
  if (Array.isArray(v)) return `[${v.map(stringify).join(',')}]`;
  if (isObject(v)) {
    const parts = [];
    for (const k of Object.keys(v)) if (v[k] !== undefined) parts.push(`${JSON.stringify(k)}:${stringify(v[k])}`);
    return `{${parts.join(',')}}`;
  }
  return numberText(v);
}

/** Canonical JSON: members in the order of RFC 8785, numbers by value; integers beyond 2^53 stay exact. */
export function canonical(v, visit) {
  if (v === null) return 'null';
  if (typeof v === 'string') return JSON.stringify(v);
  if (Array.isArray(v)) return `[${v.map((e) => { visit?.(); return canonical(e, visit); }).join(',')}]`;
  if (isObject(v)) {
    return `{${Object.keys(v).filter((k) => v[k] !== undefined).sort()
      .map((k) => { visit?.(); return `${JSON.stringify(k)}:${canonical(v[k], visit)}`; }).join(',')}}`;
  }
  if (v instanceof Float || typeof v === 'number') { const n = numeric(v); return Object.is(n, -0) ? '0' : String(n); }
  return String(v);
}

export const sha256 = (text) => createHash('sha256').update(text).digest('hex');
export const byteLength = (text) => Buffer.byteLength(text, 'utf8');

/** Equality by JSON value. `visit` is called for each element or member that is looked at. */
export function equal(a, b, visit) {
  if (isNumber(a) && isNumber(b)) return numeric(a) == numeric(b); // eslint-disable-line eqeqeq -- exact between BigInt and number
  if (typeof a !== typeof b || a === null || b === null || typeof a !== 'object') return a === b;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) {
      visit?.();
      if (!equal(a[i], b[i], visit)) return false;
    }
    return true;
  }
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  for (const name of names) {
    visit?.();
    if (!has(b, name) || !equal(a[name], b[name], visit)) return false;
  }
  return true;
}

/** The value with plain numbers, for code that knows no BigInt and no Float. Copies only what has to change. */
export function plain(v) {
  if (v instanceof Float) return v.value;
  if (typeof v === 'bigint') return Number(v);
  if (Array.isArray(v)) {
    let out = v;
    for (let i = 0; i < v.length; i++) {
      const e = plain(v[i]);
      if (e !== v[i]) { if (out === v) out = v.slice(); out[i] = e; }
    }
    return out;
  }
  if (isObject(v)) {
    let out = v;
    for (const k of Object.keys(v)) {
      const e = plain(v[k]);
      if (e !== v[k]) { if (out === v) out = obj(v); out[k] = e; }
    }
    return out;
  }
  return v;
}

/** Rebuilds a value with every string and member name put through `change`. */
export function mapStrings(v, change) {
  if (typeof v === 'string') return change(v);
  if (Array.isArray(v)) return v.map((e) => mapStrings(e, change));
  if (isObject(v)) {
    const out = Object.create(null);
    for (const k of Object.keys(v)) out[change(k)] = mapStrings(v[k], change);
    return out;
  }
  return v;
}

// --- JSON Pointer (RFC 6901) ---------------------------------------------------------------------------------------------

const POINTER = /^(\/([^/~]|~[01])*)*$/u;

export const isPointer = (text) => POINTER.test(text);
export const splitPointer = (text) => text.split('/').slice(1).map((t) => t.replace(/~1/g, '/').replace(/~0/g, '~'));
export const escapeToken = (t) => String(t).replace(/~/g, '~0').replace(/\//g, '~1');
export function joinPointer(tokens) { return tokens.map((t) => `/${escapeToken(t)}`).join(''); }

/** What stands at the pointer, or undefined. */
export function lookUp(value, pointer) {
  for (const token of splitPointer(pointer)) {
    if (Array.isArray(value)) {
      if (!/^(0|[1-9][0-9]{0,9})$/.test(token)) return undefined;
      value = value[Number(token)];
    } else if (isObject(value) && has(value, token)) value = value[token];
    else return undefined;
    if (value === undefined) return undefined;
  }
  return value;
}

/**
 * A copy of `root` with `value` at the path; missing objects are made. Returns undefined if the way leads through an
 * array or a scalar. Only the objects on the way are copied.
 */
export function putAt(root, tokens, value, at = 0) {
  if (at === tokens.length) return value;
  if (root === undefined) root = Object.create(null);
  if (!isObject(root)) return undefined;
  const inner = putAt(has(root, tokens[at]) ? root[tokens[at]] : undefined, tokens, value, at + 1);
  if (inner === undefined) return undefined;
  const copy = obj(root);
  copy[tokens[at]] = inner;
  return copy;
}
