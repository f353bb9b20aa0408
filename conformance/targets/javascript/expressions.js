/**
 * Expressions and templates (spec/expressions.md): a tokenizer, a parser by expressions.ebnf, and an evaluator whose cost
 * is counted. Nothing here can reach anything but the roots that it is given.
 */
import {
  INT64_MAX, INT64_MIN, byteLength, canonical, equal, has, isInteger, isNumber, isObject, makeDouble, makeInteger,
  numeric, obj, stringify,
} from './json.js';

const MAX_TEXT = 4096;
const MAX_NESTING = 64;
const MAX_STEPS = 10000;
const MAX_MADE = 1048576;
const MAX_MADE_IN_ALL = 16 * MAX_MADE;
const MAX_STEPS_OF_INPUT = 1000000;

export class ExpressionError extends Error {
  /** @param {'syntax'|'undefined'|'type'|'overflow'|'zero_division'|'limit'} reason */
  constructor(reason, message, at = 0) {
    super(message);
    this.reason = reason;
    this.at = at;
    this.offset = 0;
  }
}

// --- tokens --------------------------------------------------------------------------------------------------------------

const TOKEN = /(?<number>(?:0|[1-9][0-9]*)(?<fraction>\.[0-9]+)?(?<exponent>[eE][+-]?[0-9]+)?)|(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<quote>['"])|(?<sign>&&|\|\||==|!=|<=|>=|[!<>+\-*/%|.,()[\]])/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPES = { '"': '"', "'": "'", '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function tokenize(text) {
  const tokens = [];
  let at = 0;
  for (;;) {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
    if (at === text.length) break;
    TOKEN.lastIndex = at;
    const m = TOKEN.exec(text);
    // What is no token becomes one that no rule accepts, so that an error before it is found first.
    if (!m) { tokens.push({ kind: 'bad', text: '', at }); return tokens; }
    const { number, word, quote, sign } = m.groups;
    let end = TOKEN.lastIndex;
    if (quote) {
      const string = readString(text, at);
      if (!string) { tokens.push({ kind: 'bad', text: '', at }); return tokens; }
      tokens.push({ kind: 'string', text: quote, value: string.value, at });
      end = string.end;
    } else if (number !== undefined) {
      if (/[A-Za-z0-9_]/.test(text[end] ?? '')) { tokens.push({ kind: 'bad', text: '', at }); return tokens; }
      tokens.push({ kind: 'number', text: number, double: m.groups.fraction !== undefined || m.groups.exponent !== undefined, at });
    } else tokens.push({ kind: word === undefined ? 'sign' : 'word', text: word ?? sign, at });
    at = end;
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function readString(text, start) {
  const quote = text[start];
  let value = '';
  let at = start + 1;
  for (;;) {
    const c = text[at];
    if (c === undefined || c < ' ') return null;
    if (c === quote) return { value, end: at + 1 };
    if (c !== '\\') { value += c; at++; continue; }
    const e = text[at + 1];
    if (e === 'u') {
      const unit = hex(text, at + 2);
      if (unit === null || (unit >= 0xdc00 && unit <= 0xdfff)) return null;
      at += 6;
      if (unit >= 0xd800 && unit <= 0xdbff) {
        const low = text.startsWith('\\u', at) ? hex(text, at + 2) : null;
        if (low === null || low < 0xdc00 || low > 0xdfff) return null;
        value += String.fromCharCode(unit, low);
        at += 6;
      } else value += String.fromCharCode(unit);
    } else if (e !== undefined && has(ESCAPES, e)) {
      value += ESCAPES[e];
      at += 2;
    } else return null;
  }
}

function hex(text, at) {
  const digits = text.slice(at, at + 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? parseInt(digits, 16) : null;
}

// --- the parser ----------------------------------------------------------------------------------------------------------

const COMPARATORS = new Set(['==', '!=', '<=', '<', '>=', '>']);
const WORDS = { true: true, True: true, false: false, False: false, none: null, None: null, null: null };
const ROOTS = new Set(['state', 'observation', 'input']);
const PLAIN_FILTERS = new Set(['length', 'first', 'last', 'lower', 'upper', 'trim', 'tojson']);

class Parser {
  constructor(text) {
    this.tokens = tokenize(text);
    this.i = 0;
    this.nesting = 0;
  }

  get token() { return this.tokens[this.i]; }
  fail(token = this.token) { throw new ExpressionError('syntax', 'the expression does not parse here', token.at); }
  is(...texts) { return (this.token.kind === 'sign' || this.token.kind === 'word') && texts.includes(this.token.text); }
  take(...texts) { return this.is(...texts) ? this.tokens[this.i++] : null; }
  expect(text) { return this.take(text) ?? this.fail(); }

  nested(token, read) {
    if (++this.nesting > MAX_NESTING) throw new ExpressionError('limit', 'the expression is nested too deeply', token.at);
    const node = read();
    this.nesting--;
    return node;
  }

  whole() {
    const node = this.expression();
    if (this.token.kind !== 'end') this.fail();
    return node;
  }

  expression() { return this.chain('or', ['or', '||'], () => this.chain('and', ['and', '&&'], () => this.not())); }

  chain(kind, operators, operand) {
    const at = this.token.at;
    const operands = [operand()];
    while (this.take(...operators)) operands.push(operand());
    return operands.length === 1 ? operands[0] : { kind, operands, at };
  }

  not() {
    const token = this.take('not', '!');
    if (token) return this.nested(token, () => ({ kind: 'not', operand: this.not(), at: token.at }));
    const left = this.sum();
    const operator = this.comparator();
    return operator ? { kind: 'compare', operator: operator.text, left, right: this.sum(), at: operator.at } : left;
  }

  comparator() {
    if (this.token.kind === 'sign' && COMPARATORS.has(this.token.text)) return this.tokens[this.i++];
    const token = this.take('in');
    if (token) return { text: 'in', at: token.at };
    const not = this.take('not');
    if (!not) return null;
    this.expect('in');
    return { text: 'not in', at: not.at };
  }

  arithmetic(operators, operand) {
    const first = operand();
    const rest = [];
    for (let token = this.take(...operators); token; token = this.take(...operators)) {
      rest.push({ operator: token.text, at: token.at, operand: operand() });
    }
    return rest.length ? { kind: 'arithmetic', first, rest } : first;
  }

  sum() { return this.arithmetic(['+', '-'], () => this.arithmetic(['*', '/', '%'], () => this.tested())); }

  tested() {
    const operand = this.unary();
    const token = this.take('is');
    if (!token) return operand;
    const negated = this.take('not') !== null;
    const test = this.take('defined', 'none') ?? this.fail();
    return { kind: 'test', test: test.text, negated, operand, at: token.at };
  }

  unary() {
    if (this.is('-') && this.tokens[this.i + 1].kind !== 'number') {
      const token = this.tokens[this.i++];
      return this.nested(token, () => ({ kind: 'negate', operand: this.unary(), at: token.at }));
    }
    return this.filtered();
  }

  filtered() {
    const minus = this.is('-') ? this.tokens[this.i++] : null;
    const operand = minus ? this.number(minus) : this.path();
    const filters = [];
    while (this.take('|')) filters.push(this.filter());
    return filters.length ? { kind: 'filtered', operand, filters } : operand;
  }

  filter() {
    const token = this.token;
    if (token.kind !== 'word') this.fail();
    const { text: name, at } = token;
    if (!PLAIN_FILTERS.has(name) && name !== 'default' && name !== 'join') this.fail();
    this.i++;
    const open = this.take('(');
    if (!open) return name === 'default' ? this.fail() : { name, at };
    return this.nested(open, () => {
      const argument = name === 'default' || (name === 'join' && !this.is(')')) ? this.expression() : undefined;
      this.expect(')');
      return { name, argument, at };
    });
  }

  path() {
    const start = this.token;
    const primary = this.primary();
    const parts = [];
    for (;;) {
      if (this.take('.')) {
        if (this.token.kind !== 'word') this.fail();
        parts.push({ member: this.tokens[this.i++].text, dotted: true });
      } else if (this.is('[')) parts.push(this.nested(this.tokens[this.i++], () => this.subscript()));
      else break;
    }
    return parts.length ? { kind: 'path', primary, parts, at: start.at } : primary;
  }

  subscript() {
    let part;
    if (this.token.kind === 'string') part = { member: this.tokens[this.i++].value, dotted: false };
    else {
      const minus = this.take('-');
      if (this.token.kind !== 'number' || this.token.double) this.fail();
      const number = this.number(minus);
      part = { index: Number(number.value), text: String(number.value) };
    }
    this.expect(']');
    return part;
  }

  primary() {
    const { token } = this;
    if (token.kind === 'number') return this.number(null);
    if (token.kind === 'string') { this.i++; return { kind: 'literal', value: token.value }; }
    if (token.kind === 'word' && has(WORDS, token.text)) { this.i++; return { kind: 'literal', value: WORDS[token.text] }; }
    if (token.kind === 'word' && ROOTS.has(token.text)) { this.i++; return { kind: 'root', name: token.text, at: token.at }; }
    if (this.take('(')) {
      return this.nested(token, () => {
        const node = this.expression();
        this.expect(')');
        // In brackets a path is a value: what follows does not lengthen its name.
        return node.kind === 'path' || node.kind === 'root' ? { kind: 'group', node } : node;
      });
    }
    if (this.take('[')) {
      return this.nested(token, () => {
        const elements = [];
        if (!this.is(']')) do elements.push(this.expression()); while (this.take(','));
        this.expect(']');
        return { kind: 'array', elements, at: token.at };
      });
    }
    return this.fail();
  }

  number(minus) {
    const { token } = this;
    if (token.kind !== 'number') this.fail();
    this.i++;
    const text = (minus ? '-' : '') + token.text;
    if (token.double) {
      const n = Number(text);
      if (!Number.isFinite(n)) this.fail(token);
      return { kind: 'literal', value: makeDouble(n) };
    }
    const big = BigInt(text);
    if (big < INT64_MIN || big > INT64_MAX) this.fail(token);
    return { kind: 'literal', value: makeInteger(big) };
  }
}

/** Offsets count bytes of UTF-8, positions in a string of JavaScript do not. */
function withOffset(text, action) {
  try {
    return action();
  } catch (error) {
    if (error instanceof ExpressionError) error.offset = byteLength(text.slice(0, error.at));
    throw error;
  }
}

/** @returns {{text: string, node: object}} a parsed expression; throws ExpressionError. */
export function parseExpression(text) {
  return withOffset(text, () => {
    if (byteLength(text) > MAX_TEXT) throw new ExpressionError('limit', 'the expression is too long');
    return { text, node: new Parser(text).whole() };
  });
}

// --- the evaluator -------------------------------------------------------------------------------------------------------

/** True as conditionals see it: false, null, undefined, zero and what is empty are not. */
export function isTrue(v) {
  if (v === undefined || v === null || v === false || v === '') return false;
  if (isNumber(v)) return numeric(v) != 0; // eslint-disable-line eqeqeq -- 0n as well
  if (Array.isArray(v)) return v.length > 0;
  return isObject(v) ? Object.keys(v).length > 0 : true;
}

const codePoints = (s) => { let n = 0; for (const _ of s) n++; return n; };

function compareText(a, b) {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    let [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    // Surrogates stand for code points above all others, though their units are smaller than U+E000 to U+FFFF.
    if (x >= 0xd800 && x <= 0xdfff) x += 0x10000;
    if (y >= 0xd800 && y <= 0xdfff) y += 0x10000;
    return x - y;
  }
  return a.length - b.length;
}

const WHITE = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const WHITE_START = new RegExp(`^${WHITE}+`);
const WHITE_CHAR = new RegExp(WHITE);
function trim(text) {
  // Counted from the end by hand: an anchored search would look at every run of white space in the text.
  let end = text.length;
  while (end > 0 && WHITE_CHAR.test(text[end - 1])) end--;
  return text.slice(0, end).replace(WHITE_START, '');
}

class Evaluator {
  constructor(roots, budget) {
    this.roots = roots;
    this.steps = 0;
    this.made = 0;
    this.budget = budget;
    this.undefinedPaths = [];
    this.visit = () => this.step();
  }

  error(reason, message) { throw new ExpressionError(reason, message, this.at ?? 0); }

  step(n = 1) {
    this.steps += n;
    if (this.budget) this.budget.steps += n;
    if (this.steps > MAX_STEPS || this.budget?.steps > MAX_STEPS_OF_INPUT) this.error('limit', 'the evaluation takes too many steps');
  }

  makes(bytes) {
    this.made += bytes;
    if (this.budget) this.budget.made += bytes;
    if (bytes > MAX_MADE || this.made > MAX_MADE_IN_ALL || this.budget?.made > MAX_MADE_IN_ALL) this.error('limit', 'the evaluation makes too much text');
  }

  text(text) { this.makes(byteLength(text)); return text; }

  /** For operands of the wrong kind: undefined has a reason of its own. */
  wrong(...operands) {
    if (operands.includes(undefined)) this.error('undefined', 'an operand is undefined');
    this.error('type', 'an operand is of the wrong kind');
  }

  eval(node) {
    switch (node.kind) {
      case 'literal': return node.value;
      case 'group': return this.eval(node.node);
      case 'root': return this.path(node, []);
      case 'path': return this.path(node.primary, node.parts);
      case 'array': return node.elements.map((e) => this.eval(e)).map((v) => {
        this.at = node.at;
        return v === undefined ? this.error('undefined', 'an element is undefined') : v;
      });
      case 'or':
      case 'and': return this.logic(node);
      case 'not': this.at = node.at; this.step(); return !isTrue(this.eval(node.operand));
      case 'test': {
        this.at = node.at;
        this.step();
        const v = this.eval(node.operand);
        return (node.test === 'defined' ? v !== undefined : v === null) !== node.negated;
      }
      case 'negate': this.at = node.at; this.step(); return this.negative(this.eval(node.operand), node);
      case 'compare': {
        this.at = node.at;
        this.step();
        const left = this.eval(node.left);
        const right = this.eval(node.right);
        this.at = node.at;
        return this.compare(node.operator, left, right);
      }
      case 'arithmetic': {
        let value = this.eval(node.first);
        for (const { operator, operand, at } of node.rest) {
          this.at = at;
          this.step();
          const right = this.eval(operand);
          this.at = at;
          value = this.calculate(operator, value, right);
        }
        return value;
      }
      case 'filtered': {
        let value = this.eval(node.operand);
        for (const filter of node.filters) {
          this.at = filter.at;
          this.step();
          const argument = filter.argument && this.eval(filter.argument);
          this.at = filter.at;
          value = this.filter(filter, value, argument);
        }
        return value;
      }
      default: throw new Error(`no such node: ${node.kind}`);
    }
  }

  logic(node) {
    this.at = node.at;
    this.step(node.operands.length - 1);
    let value;
    for (const operand of node.operands) {
      value = this.eval(operand);
      if (isTrue(value) === (node.kind === 'or')) return value;
    }
    return value;
  }

  path(primary, parts) {
    const isRoot = primary.kind === 'root';
    let value = isRoot ? this.roots[primary.name] : this.eval(primary);
    this.at = primary.at ?? this.at;
    for (const part of parts) {
      this.step();
      value = this.member(value, part);
    }
    if (isRoot && value === undefined) {
      const path = primary.name + parts.map((p) => (p.dotted ? `.${p.member}` : `[${p.text ?? JSON.stringify(p.member)}]`)).join('');
      if (!this.undefinedPaths.includes(path)) this.undefinedPaths.push(path);
    }
    return value;
  }

  member(value, part) {
    if (part.index !== undefined) {
      return Array.isArray(value) ? value[part.index < 0 ? value.length + part.index : part.index] : undefined;
    }
    if (isObject(value) && has(value, part.member)) return value[part.member];
    return part.dotted && part.member === 'length' ? this.length(value) : undefined;
  }

  length(value) {
    if (typeof value === 'string') return codePoints(value);
    if (Array.isArray(value)) return value.length;
    return isObject(value) ? Object.keys(value).length : undefined;
  }

  compare(operator, a, b) {
    switch (operator) {
      case '==': return equal(a, b, this.visit);
      case '!=': return !equal(a, b, this.visit);
      case 'in': return this.contains(a, b);
      case 'not in': return !this.contains(a, b);
      default: {
        if (!(isNumber(a) && isNumber(b)) && !(typeof a === 'string' && typeof b === 'string')) this.wrong(a, b);
        const [x, y] = typeof a === 'string' ? [compareText(a, b), 0] : [numeric(a), numeric(b)];
        if (operator === '<') return x < y;
        if (operator === '<=') return x <= y;
        return operator === '>' ? x > y : x >= y;
      }
    }
  }

  contains(a, b) {
    if (b === undefined) this.error('undefined', 'an operand is undefined');
    if (Array.isArray(b)) {
      return b.some((e) => { this.step(); return equal(a, e, this.visit); });
    }
    if (isObject(b)) return typeof a === 'string' && has(b, a);
    if (typeof b === 'string' && typeof a === 'string') return b.includes(a);
    return this.error('type', 'an operand is of the wrong kind');
  }

  integer(big) {
    if (big < INT64_MIN || big > INT64_MAX) this.error('overflow', 'an integer does not fit 64 bits');
    return makeInteger(big);
  }

  double(n) {
    if (!Number.isFinite(n)) this.error('overflow', 'a number is not finite');
    return makeDouble(n);
  }

  negative(value, node) {
    this.at = node.at;
    if (!isNumber(value)) this.wrong(value);
    return isInteger(value) ? this.integer(-BigInt(value)) : this.double(-numeric(value));
  }

  calculate(operator, a, b) {
    if (operator === '+' && typeof a === 'string' && typeof b === 'string') {
      this.makes(byteLength(a) + byteLength(b));
      return a + b;
    }
    if (!isNumber(a) || !isNumber(b)) this.wrong(a, b);
    const exact = isInteger(a) && isInteger(b) && operator !== '/';
    const [x, y] = exact ? [BigInt(a), BigInt(b)] : [Number(numeric(a)), Number(numeric(b))];
    if ((operator === '/' || operator === '%') && y == 0) this.error('zero_division', 'a division by zero'); // eslint-disable-line eqeqeq
    const make = exact ? (n) => this.integer(n) : (n) => this.double(n);
    switch (operator) {
      case '+': return make(x + y);
      case '-': return make(x - y);
      case '*': return make(x * y);
      case '/': return make(x / y);
      default: {
        const rest = x % y;
        return make(rest != 0 && (rest < 0) !== (y < 0) ? rest + y : rest); // eslint-disable-line eqeqeq
      }
    }
  }

  filter({ name, argument: given }, value, argument) {
    if (name === 'default') return value === undefined ? argument : value;
    if (name === 'tojson') {
      if (value === undefined) this.wrong(value);
      return this.text(canonical(value, this.visit));
    }
    if (name === 'length') return this.length(value) ?? this.wrong(value);
    if (name === 'first' || name === 'last' || name === 'join') {
      if (!Array.isArray(value)) this.wrong(value);
      if (name !== 'join') return name === 'first' ? value[0] : value[value.length - 1];
      if (given && typeof argument !== 'string') this.wrong(argument);
      let bytes = 0;
      const separator = given ? argument : '';
      const parts = value.map((e) => {
        this.step();
        const part = typeof e === 'string' ? e : canonical(e, this.visit);
        bytes += byteLength(part) + byteLength(separator);
        if (bytes - byteLength(separator) > MAX_MADE) this.error('limit', 'the evaluation makes too much text');
        return part;
      });
      return this.text(parts.join(separator));
    }
    if (typeof value !== 'string') this.wrong(value);
    if (name === 'trim') return trim(value);
    const out = name === 'lower' ? value.toLowerCase() : value.toUpperCase();
    this.makes(Math.min(byteLength(out), MAX_MADE));
    return out;
  }
}

/**
 * Evaluates a parsed expression.
 * @param {{state?, observation?, input?}} roots
 * @returns {{value: any, undefinedPaths: string[]}} `value` may be undefined; throws ExpressionError
 */
export function evaluate(expression, roots, budget) {
  return withOffset(expression.text, () => {
    const evaluator = new Evaluator(roots, budget);
    const value = evaluator.eval(expression.node);
    if (Array.isArray(value) && byteLength(canonical(value)) > MAX_MADE) throw new ExpressionError('limit', 'the resulting array is too large');
    return { value, undefinedPaths: evaluator.undefinedPaths };
  });
}

// --- templates -----------------------------------------------------------------------------------------------------------

/** Where the expression that begins at `start` ends: at the first `}}` outside its string literals; -1 if nowhere. */
function templateEnd(text, start) {
  let quote = null;
  for (let i = start; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === '\\') i++;
      else if (c === quote) quote = null;
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '}' && text[i + 1] === '}') return i;
  }
  return -1;
}

/** @returns {Array<string | {text, node}>} literal texts and expressions in turn; throws ExpressionError. */
export function parseTemplate(text) {
  const parts = [];
  let at = 0;
  for (;;) {
    const open = text.indexOf('{{', at);
    if (open < 0) {
      if (at < text.length) parts.push(text.slice(at));
      return parts;
    }
    if (open > at) parts.push(text.slice(at, open));
    const end = templateEnd(text, open + 2);
    if (text[open + 2] === '-') throw new ExpressionError('syntax', 'a template may not begin with a minus sign');
    if (end < 0) throw new ExpressionError('syntax', 'a template has no end');
    parts.push(parseExpression(text.slice(open + 2, end)));
    at = end + 2;
  }
}

/** Resolves a parsed template: one expression alone keeps its JSON type, in a text its value is inserted as text. */
export function resolveTemplate(parts, roots, budget) {
  const values = parts.map((part) => {
    if (typeof part === 'string') return part;
    const { value } = evaluate(part, roots, budget);
    if (value === undefined) throw new ExpressionError('undefined', 'the value of a template is undefined');
    return value;
  });
  if (parts.length === 1) return values[0];
  const text = values.map((v) => (typeof v === 'string' ? v : canonical(v))).join('');
  if (budget) budget.made += text.length;
  if (byteLength(text) > MAX_MADE || budget?.made > MAX_MADE_IN_ALL) throw new ExpressionError('limit', 'the resulting text is too long');
  return text;
}

/** Calls `use(text, path)` for every string value at any depth. */
export function eachString(value, use, path = []) {
  if (typeof value === 'string') use(value, path);
  else if (Array.isArray(value)) value.forEach((v, i) => eachString(v, use, [...path, i]));
  else if (isObject(value)) for (const k of Object.keys(value)) eachString(value[k], use, [...path, k]);
}

/** An input with the templates in its string values resolved; member names are never templates. */
export function resolveInput(input, roots) {
  const budget = { steps: 0, made: 0 };
  const resolve = (v) => {
    if (typeof v === 'string') return v.includes('{{') ? resolveTemplate(parseTemplate(v), roots, budget) : v;
    if (Array.isArray(v)) return v.map(resolve);
    if (!isObject(v)) return v;
    const out = obj();
    for (const k of Object.keys(v)) out[k] = resolve(v[k]);
    return out;
  };
  const resolved = resolve(input);
  if (byteLength(stringify(resolved)) > MAX_MADE) throw new ExpressionError('limit', 'the resolved input is too large');
  return resolved;
}

