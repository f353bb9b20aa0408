/**
 * JSON Schema as schemas.md wants it: five dialects side by side, asserted formats, references within the schema only,
 * equality by JSON value, and a bound on what a schema can cost. The validation itself is ajv's.
 */
import net from 'node:net';
import vm from 'node:vm';
import { createRequire } from 'node:module';
import Ajv from 'ajv';
import Ajv2019 from 'ajv/dist/2019.js';
import Ajv2020 from 'ajv/dist/2020.js';
import Ajv04 from 'ajv-draft-04';
import addFormats from 'ajv-formats';
import { canonical, equal, has, isObject, joinPointer, lookUp, obj, plain, stringify } from './json.js';

const require = createRequire(import.meta.url);
const draft6 = require('ajv/dist/refs/json-schema-draft-06.json');
const draft7 = require('ajv/dist/refs/json-schema-draft-07.json');

const DIALECTS = {
  'http://json-schema.org/draft-04/schema': 'draft4',
  'http://json-schema.org/draft-06/schema': 'draft6',
  'http://json-schema.org/draft-07/schema': 'draft7',
  'https://json-schema.org/draft/2019-09/schema': '2019',
  'https://json-schema.org/draft/2020-12/schema': '2020',
};

// --- formats -------------------------------------------------------------------------------------------------------------

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDate(text) {
  const m = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (!m) return false;
  const [year, month, day] = m.slice(1).map(Number);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month >= 1 && month <= 12 && day >= 1 && day <= DAYS[month - 1] + (month === 2 && leap ? 1 : 0);
}

function isTime(text) {
  const m = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[zZ]|([+-])(\d\d):(\d\d))$/.exec(text);
  if (!m) return false;
  const [hour, minute, second] = m.slice(1, 4).map(Number);
  const [offHour, offMinute] = [Number(m[5] ?? 0), Number(m[6] ?? 0)];
  if (hour > 23 || minute > 59 || offHour > 23 || offMinute > 59) return false;
  if (second <= 59) return true;
  // A leap second stands at the end of a day in UTC.
  const utc = hour * 60 + minute - (m[4] === '-' ? -1 : 1) * (offHour * 60 + offMinute);
  return second === 60 && (utc + 2880) % 1440 === 1439;
}

/** A date-time of RFC 3339 that names a day and a time that exist. */
export function isDateTime(text) {
  return typeof text === 'string' && /^[^tT]{10}[tT]/.test(text) && isDate(text.slice(0, 10)) && isTime(text.slice(11));
}

const FORMATS = {
  date: isDate,
  time: isTime,
  'date-time': isDateTime,
  uuid: /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
  ipv4: (s) => net.isIPv4(s),
  ipv6: (s) => net.isIPv6(s) && !s.includes('%'),
  regex: (s) => { try { compilePattern(s); return true; } catch { return false; } },
};

// --- patterns ------------------------------------------------------------------------------------------------------------

function compilePattern(source) {
  try { return new RegExp(source, 'u'); } catch { return new RegExp(source); }
}

const arena = vm.createContext(Object.create(null));
const TEST = new vm.Script('re.test(text)');

/**
 * A pattern whose search is bounded in time. One with two or more unbounded repetitions can backtrack for ever, and it
 * comes from a stranger: on longer texts such a pattern runs under a watchdog, and what is not found in time is not found.
 */
function boundedPattern(source) {
  const re = compilePattern(source);
  const suspicious = (source.match(/[*+]|\{\d*,\d*\}/g) ?? []).length > 1;
  return {
    toString: () => String(re),
    test(text) {
      if (!suspicious || text.length < 20) return re.test(text);
      arena.re = re;
      arena.text = text;
      try { return TEST.runInContext(arena, { timeout: 100 }); } catch { return false; }
    },
  };
}
boundedPattern.code = 'boundedPattern';

// --- ajv instances -------------------------------------------------------------------------------------------------------

/** Exact `multipleOf`: decimal numbers as scaled integers, so that 0.07 is a multiple of 0.01. */
function scaled(n) {
  const [mantissa, exponent] = n.toExponential().split('e');
  const [whole, fraction = ''] = mantissa.split('.');
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}
function isMultiple(value, factor) {
  const [a, b] = [scaled(value), scaled(factor)];
  const low = Math.min(a.exponent, b.exponent);
  return (a.digits * 10n ** BigInt(a.exponent - low)) % (b.digits * 10n ** BigInt(b.exponent - low)) === 0n;
}

const COMMON = {
  strict: false, logger: false, validateSchema: false, inlineRefs: false, unicodeRegExp: true,
  useDefaults: false, coerceTypes: false, messages: true, code: { regExp: boundedPattern },
};

function makeAjv(Class, options, prepare) {
  const ajv = new Class({ ...COMMON, ...options });
  addFormats.default ? addFormats.default(ajv, { mode: 'full' }) : addFormats(ajv, { mode: 'full' });
  for (const [name, check] of Object.entries(FORMATS)) ajv.addFormat(name, check);
  // ajv compares by a library that knows only objects with a prototype; ours compares by JSON value.
  for (const [keyword, check] of [
    ['enum', (values, data) => Array.isArray(values) && values.some((v) => equal(v, data))],
    ['const', (value, data) => equal(value, data)],
    ['uniqueItems', (unique, data) => !unique || !Array.isArray(data) || new Set(data.map((e) => canonical(e))).size === data.length],
    ['multipleOf', (factor, data) => typeof data !== 'number' || isMultiple(data, factor)],
  ]) {
    if (!ajv.getKeyword(keyword)) continue;
    ajv.removeKeyword(keyword);
    ajv.addKeyword({ keyword, errors: false, validate: check });
  }
  prepare?.(ajv);
  return ajv;
}

function makeInstances(allErrors) {
  return {
    draft4: makeAjv(Ajv04.default ?? Ajv04, { allErrors, ignoreKeywordsWithRef: true }),
    draft6: makeAjv(Ajv.default ?? Ajv, { allErrors, ignoreKeywordsWithRef: true }, (ajv) => {
      ajv.addMetaSchema(draft6);
      for (const k of ['if', 'then', 'else']) ajv.removeKeyword(k);
    }),
    draft7: makeAjv(Ajv.default ?? Ajv, { allErrors, ignoreKeywordsWithRef: true }),
    2019: makeAjv(Ajv2019.default ?? Ajv2019, { allErrors }, (ajv) => ajv.addMetaSchema(draft7)),
    2020: makeAjv(Ajv2020.default ?? Ajv2020, { allErrors }, (ajv) => ajv.addMetaSchema(draft7)),
  };
}

const FAST = makeInstances(false);
const FULL = makeInstances(true);
const META_IDS = Object.fromEntries(Object.entries(DIALECTS).map(([id, name]) => [name, id.startsWith('http:') && name !== 'draft4' ? `${id}#` : id]));
const metaValidators = new Map();

function metaValidator(dialect) {
  if (!metaValidators.has(dialect)) {
    metaValidators.set(dialect, FULL[dialect].getSchema(META_IDS[dialect]) ?? FULL[dialect].getSchema(META_IDS[dialect].replace(/#$/, '')));
  }
  return metaValidators.get(dialect);
}

// --- looking at a schema before it is used ------------------------------------------------------------------------------

/** keyword → how its value holds subschemas, and whether they apply to the very same value. */
const SUBSCHEMAS = {
  allOf: ['list', true], anyOf: ['list', true], oneOf: ['list', true], not: ['one', true],
  if: ['one', true], then: ['one', true], else: ['one', true], dependentSchemas: ['map', true], dependencies: ['map', true],
  properties: ['map', false], patternProperties: ['map', false], additionalProperties: ['one', false],
  unevaluatedProperties: ['one', false], propertyNames: ['one', false], items: ['any', false], prefixItems: ['list', false],
  additionalItems: ['one', false], unevaluatedItems: ['one', false], contains: ['one', false],
  $defs: ['map', null], definitions: ['map', null], contentSchema: ['one', null],
};
const MAX_DEPTH = 32;
const MAX_COUNT = 10000;

class Inspection {
  constructor(schema, dialect) {
    this.root = schema;
    this.violations = [];
    this.edges = new Map();
    this.targets = new Map();
    const id = isObject(schema) ? schema[dialect === 'draft4' ? 'id' : '$id'] : undefined;
    this.id = typeof id === 'string' && !id.startsWith('#') ? id.replace(/#$/, '') : '';
    this.idKeyword = dialect === 'draft4' ? 'id' : '$id';
    this.anchors = new Map();
  }

  report(path, rule, message) { this.violations.push({ pointer: joinPointer(path), rule, message }); }

  subschemas(schema) {
    const found = [];
    for (const [keyword, [form, inPlace]] of Object.entries(SUBSCHEMAS)) {
      if (!has(schema, keyword)) continue;
      const value = schema[keyword];
      const add = (s, ...path) => { if (isObject(s)) found.push({ schema: s, path: [keyword, ...path], inPlace }); };
      if (form === 'map') { if (isObject(value)) for (const k of Object.keys(value)) add(value[k], k); } else if (Array.isArray(value)) value.forEach((s, i) => add(s, i));
      else add(value);
    }
    return found;
  }

  collectAnchors(schema) {
    const stack = [schema];
    while (stack.length) {
      const s = stack.pop();
      for (const k of ['$anchor', '$dynamicAnchor']) if (typeof s[k] === 'string') this.anchors.set(s[k], s);
      if (typeof s[this.idKeyword] === 'string' && s[this.idKeyword].startsWith('#')) this.anchors.set(s[this.idKeyword].slice(1), s);
      for (const sub of this.subschemas(s)) stack.push(sub.schema);
    }
  }

  run() {
    if (!isObject(this.root)) return;
    this.collectAnchors(this.root);
    this.walk(this.root, [], false);
    if (this.violations.length) return;
    const depth = new Map();
    const inPlaceDepth = (s) => {
      if (depth.has(s)) return depth.get(s);
      depth.set(s, Infinity); // met again while it is being measured: the schema comes back to itself
      let most = 0;
      for (const e of this.edges.get(s) ?? []) if (e.inPlace === true) most = Math.max(most, 1 + inPlaceDepth(e.schema));
      depth.set(s, most);
      return most;
    };
    const count = new Map();
    const total = (s) => {
      if (count.has(s)) return count.get(s);
      count.set(s, 0);
      let sum = 1;
      for (const e of this.edges.get(s) ?? []) if (e.inPlace !== null) sum += total(e.schema);
      count.set(s, sum);
      return sum;
    };
    for (const s of this.edges.keys()) {
      if (inPlaceDepth(s) > MAX_DEPTH) return this.report([], 'invalid_schema', 'the schema applies too many subschemas to one value, or refers to itself without end');
    }
    if (total(this.root) > MAX_COUNT) this.report([], 'invalid_schema', 'the schema has too many subschemas');
  }

  walk(schema, path, foreign) {
    if (this.edges.has(schema)) return;
    const edges = [];
    this.edges.set(schema, edges);
    const own = path.length > 0 && typeof schema[this.idKeyword] === 'string' && !schema[this.idKeyword].startsWith('#');
    for (const keyword of ['$ref', '$dynamicRef', '$recursiveRef']) {
      if (typeof schema[keyword] !== 'string') continue;
      const target = this.follow(schema[keyword], keyword, [...path, keyword], foreign || own);
      if (isObject(target)) edges.push({ schema: target, inPlace: true });
    }
    const checkPattern = (source, ...rest) => {
      try { compilePattern(source); } catch { this.report([...path, ...rest], 'invalid_schema', 'this is no regular expression'); }
    };
    if (typeof schema.pattern === 'string') checkPattern(schema.pattern, 'pattern');
    if (isObject(schema.patternProperties)) for (const k of Object.keys(schema.patternProperties)) checkPattern(k, 'patternProperties', k);
    for (const sub of this.subschemas(schema)) {
      edges.push(sub);
      this.walk(sub.schema, [...path, ...sub.path], foreign || own);
    }
    for (const e of edges) if (e.path === undefined && !this.edges.has(e.schema)) this.walk(e.schema, this.targets.get(e.schema) ?? path, foreign);
  }

  /** The subschema that a reference within the schema leads to; reports every other reference. */
  follow(ref, keyword, path, foreign) {
    let absolute = ref;
    if (this.id && !ref.startsWith('#')) {
      try { absolute = new URL(ref, this.id).href; } catch { absolute = ref; }
    }
    const [base, fragment = ''] = absolute.split(/#(.*)/s);
    let ownId = this.id;
    try { ownId = new URL(this.id).href; } catch { /* a relative id is compared as it stands */ }
    if (base !== '' && base !== this.id && base !== ownId) {
      if (has(DIALECTS, base)) return undefined;
      this.report(path, 'remote_ref', 'a reference may not lead out of the schema');
      return undefined;
    }
    if (foreign) {
      this.report(path, 'remote_ref', 'a part with an id of its own may not hold references');
      return undefined;
    }
    let decoded = fragment;
    try { decoded = decodeURIComponent(fragment); } catch { /* compared as it stands */ }
    const target = decoded === '' ? this.root : decoded.startsWith('/') ? lookUp(this.root, decoded) : this.anchors.get(decoded);
    if (!isObject(target) && typeof target !== 'boolean') {
      this.report(path, 'invalid_schema', 'the reference leads to nothing within the schema');
      return undefined;
    }
    if (isObject(target) && target !== this.root && typeof target[this.idKeyword] === 'string' && !target[this.idKeyword].startsWith('#')) {
      this.report(path, 'remote_ref', 'a reference may not lead to a part with an id of its own');
      return undefined;
    }
    if (isObject(target)) this.targets.set(target, decoded.startsWith('/') ? decoded.slice(1).split('/') : []);
    return target;
  }
}

/** The schema without its root id, and references to that id as fragments: nothing is left that ajv could look up elsewhere. */
function localised(schema, inspection, nested = false) {
  if (Array.isArray(schema)) return schema.map((s) => localised(s, inspection, true));
  if (!isObject(schema)) return schema;
  const out = obj();
  for (const k of Object.keys(schema)) {
    if (!nested && k === inspection.idKeyword && inspection.id) continue;
    const v = schema[k];
    if ((k === '$ref' || k === '$dynamicRef') && typeof v === 'string' && inspection.id && !v.startsWith('#')) {
      let absolute = v;
      try { absolute = new URL(v, inspection.id).href; } catch { /* as it stands */ }
      const base = absolute.split('#')[0];
      out[k] = has(DIALECTS, base) ? v : absolute.includes('#') ? absolute.slice(absolute.indexOf('#')) : '#';
    } else if (k === 'const' || k === 'enum' || k === 'default' || k === 'examples') out[k] = v;
    else out[k] = localised(v, inspection, true);
  }
  return out;
}

function dialectOf(schema) {
  if (!isObject(schema) || !has(schema, '$schema')) return '2020';
  return typeof schema.$schema === 'string' ? DIALECTS[schema.$schema.replace(/#$/, '')] : undefined;
}

/** One violation for each place: what one defect makes ajv say several times is one defect. */
function onePerPlace(violations) {
  const seen = new Set();
  return violations.filter(({ pointer }) => !seen.has(pointer) && seen.add(pointer));
}

function describe(error) {
  const names = { required: () => `${error.params.missingProperty} is missing`, additionalProperties: () => `${error.params.additionalProperty} is not allowed` };
  return names[error.keyword]?.() ?? error.message ?? `the rule ${error.keyword} is broken`;
}

/** A schema that was checked and can judge values. */
export class Validator {
  constructor(schema, dialect) {
    this.schema = schema;
    this.dialect = dialect;
    this.fast = null;
    this.full = null;
  }

  compile() { this.fast ??= this.compileWith(FAST); return this; }

  compileWith(instances) {
    const ajv = instances[this.dialect];
    try { return ajv.compile(this.schema); } finally { if (typeof this.schema === 'object') ajv.removeSchema(this.schema); }
  }

  /** Null, or the violations. */
  check(value) {
    const data = plain(value);
    try {
      if (this.compile().fast(data)) return null;
      // To list every violation of a long value can cost more than the value is worth.
      if (stringify(data).length > 65536) return onePerPlace(this.toViolations(this.fast.errors));
      this.full ??= this.compileWith(FULL);
      this.full(data);
      const violations = onePerPlace(this.toViolations(this.full.errors ?? [])).slice(0, 100);
      return violations.length ? violations : [{ pointer: '', rule: 'schema', message: 'the value does not satisfy the schema' }];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return [{ pointer: '', rule: 'schema', message: 'the value is nested too deeply for the schema' }];
    }
  }

  toViolations(errors) {
    return (errors ?? []).map((e) => ({ pointer: e.instancePath, rule: e.keyword, message: describe(e) }));
  }
}

const cache = new Map();
const CACHE_SIZE = 5000;

/**
 * Checks a schema and compiles it.
 * @returns {{validator?: Validator, violations: Array}} pointers are relative to the schema
 */
export function compileSchema(schema) {
  const key = stringify(schema);
  const known = cache.get(key);
  if (known) {
    cache.delete(key);
    cache.set(key, known);
    return known;
  }
  const result = compileAnew(schema);
  cache.set(key, result);
  if (cache.size > CACHE_SIZE) cache.delete(cache.keys().next().value);
  return result;
}

function compileAnew(given) {
  const schema = plain(given);
  const dialect = dialectOf(schema);
  const fail = (...violations) => ({ violations });
  if (!dialect) return fail({ pointer: '/$schema', rule: 'invalid_schema', message: 'this dialect of JSON Schema is not known' });
  const meta = metaValidator(dialect);
  if (!meta(schema)) {
    const found = meta.errors.map((e) => ({ pointer: e.instancePath, rule: 'invalid_schema', message: describe(e) }));
    // An error of a part shows at the keywords above it as well: the deepest places are the defects.
    const places = onePerPlace(found);
    return fail(...places.filter((a) => !places.some((b) => b.pointer.startsWith(`${a.pointer}/`))));
  }
  const inspection = new Inspection(schema, dialect);
  inspection.run();
  if (inspection.violations.length) return fail(...onePerPlace(inspection.violations));
  try {
    const validator = new Validator(localised(schema, inspection), dialect);
    // To compile costs a millisecond, so it waits for the first use; but what references can do wrong has to show now.
    if (/"(\$(id|ref|anchor|dynamicRef|dynamicAnchor|recursiveRef|recursiveAnchor)|id)":/.test(stringify(schema))) validator.compile();
    return { validator, violations: [] };
  } catch {
    return fail({ pointer: '', rule: 'invalid_schema', message: 'the schema cannot be used' });
  }
}
