/**
 * What a well-formed manifest is (manifests.md), and its form for the rest of the runtime: every rule is looked at, every
 * violation is reported at its place in the document as it was sent, and schemas and expressions are compiled once.
 */
import { canonical, escapeToken, has, isObject, isPointer, obj, plain, sha256, splitPointer } from './json.js';
import { ApiError, violation } from './errors.js';
import { compileSchema } from './schema.js';
import { ExpressionError, eachString, parseExpression, parseTemplate } from './expressions.js';
import { referencesAreWellFormed } from './secrets.js';
import { Context, TERMS, expandObject } from './jsonld.js';

const NAME = /^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/;
const PLUGIN = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;
const NUMERAL = '(?:0|[1-9][0-9]*)';
const PRE = `(?:${NUMERAL}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)`;
const VERSION = new RegExp(`^(${NUMERAL})\\.(${NUMERAL})(?:\\.(${NUMERAL})(?:-(${PRE}(?:\\.${PRE})*))?)?$`);
const TYPES = ['invoke_api', 'run_code', 'read_file', 'write_file', 'human_intervention', 'plugin'];
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const EFFECTS = ['read', 'write', 'cost', 'critical'];
const FOREIGN_TYPES = { run_code: 'sandbox', read_file: 'storage', write_file: 'storage' };
const CONNECTION_HEADER = /^(host|content-length|connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*)$/i;
const MAX_TOKENS = 64;

export const isName = (v) => typeof v === 'string' && NAME.test(v);
export const isPluginName = (v) => typeof v === 'string' && v.length <= 128 && PLUGIN.test(v);

/** The version in three parts with what is needed to order it, or null. */
export function parseVersion(text) {
  const m = typeof text === 'string' ? VERSION.exec(text) : null;
  if (!m) return null;
  const pre = m[4] === undefined ? [] : m[4].split('.');
  return { text: `${m[1]}.${m[2]}.${m[3] ?? 0}${pre.length ? `-${m[4]}` : ''}`, parts: [m[1], m[2], m[3] ?? '0'].map(BigInt), pre };
}

/** Precedence of semantic versioning. */
export function compareVersions(a, b) {
  for (let i = 0; i < 3; i++) if (a.parts[i] !== b.parts[i]) return a.parts[i] < b.parts[i] ? -1 : 1;
  if (!a.pre.length || !b.pre.length) return b.pre.length - a.pre.length;
  for (let i = 0; i < Math.max(a.pre.length, b.pre.length); i++) {
    const [x, y] = [a.pre[i], b.pre[i]];
    if (x === y) continue;
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    const [nx, ny] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (nx && ny) return BigInt(x) < BigInt(y) ? -1 : 1;
    if (nx !== ny) return nx ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}

/** `MAJOR.MINOR` → its major number, else null. */
export function majorVersion(text) {
  const m = typeof text === 'string' ? /^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$/.exec(text) : null;
  return m ? Number(m[1]) : null;
}

// --- from either spelling to snake_case -----------------------------------------------------------------------------------

/** How the members of a converted object were written in the document, so that pointers lead into what was sent. */
const written = new WeakMap();

/** The snake_case form of a JSON-LD document. */
function fromJsonLd(document, report) {
  const convert = (object, parent, path, kind) => {
    if (!isObject(object)) return object;
    const { context, members, names } = expandObject(object, parent, path, report);
    const out = obj();
    const back = new Map();
    if (kind.type && !(kind.optional && !has(members, '@type'))) {
      if (!has(members, '@type')) report(path, 'required', '@type is missing');
      else if (!context.isType(members['@type'], kind.type)) report([...path, names.get('@type')], 'enum', `@type has to be OpenAction:${kind.type}`);
    }
    for (const bare of Object.keys(members)) {
      if (bare === '@type') continue;
      const original = names.get(bare);
      const snake = has(TERMS, bare) ? TERMS[bare] : bare;
      const place = [...path, original];
      // A term is known wherever it is one, but snake_case is mixed in where this specification gives two spellings.
      if (!has(TERMS, bare) && (SNAKE_WITH_TWO.has(bare) || (bare === 'type' && kind.type === 'Action'))) report(place, 'mixed_spelling', `in JSON-LD this member is written ${SNAKE_WITH_TWO.get(bare) ?? 'actionType'}`);
      const inner = kind.members?.[bare];
      const value = members[bare];
      back.set(snake, original);
      if (inner?.each) out[snake] = Array.isArray(value) ? value.map((v, i) => convert(v, context, [...place, i], inner.each)) : value;
      else out[snake] = inner ? convert(value, context, place, inner) : value;
    }
    if (kind.type === 'Action' && !kind.optional && !has(out, 'type')) out.type = 'plugin';
    written.set(out, back);
    return out;
  };
  const access = { members: {} };
  const fallback = { type: 'Action', optional: true, members: { accessControl: access } };
  const action = { type: 'Action', members: { accessControl: access, limits: { members: {} }, fallbackAction: fallback } };
  const intent = { type: 'Intent', optional: true, members: { accessControl: access } };
  return convert(document, new Context(), [], { type: 'Manifest', members: { actions: { each: action }, intents: { each: intent } } });
}

const SNAKE_WITH_TWO = new Map(Object.entries(TERMS).filter(([camel, snake]) => camel !== snake && snake !== 'type').map(([camel, snake]) => [snake, camel]));

// Terms that a manifest does not know: there they are members like any other.
const ONLY_OF_NODES = new Set(['requestId']);

/** In a snake_case document, members by another name of the vocabulary. */
function findMixed(document, report) {
  const silent = () => {};
  const look = (object, parent, path, inner, isAction) => {
    if (!isObject(object)) return;
    const context = has(object, '@context') ? parent.extend(object['@context'], [...path, '@context'], silent) : parent;
    for (const name of Object.keys(object)) {
      if (name === '@context') continue;
      const bare = context.bare(name);
      if ((bare === '@type' && isAction) || (has(TERMS, bare) && name !== TERMS[bare] && !ONLY_OF_NODES.has(bare))) {
        report([...path, name], 'mixed_spelling', 'this member is in the spelling that the document does not use');
      }
      if (inner.includes(name)) look(object[name], context, [...path, name], inner, false);
    }
  };
  const none = new Context();
  const root = has(document, '@context') ? none.extend(document['@context'], ['@context'], silent) : none;
  look(document, none, [], [], false);
  for (const member of ['actions', 'intents']) {
    if (Array.isArray(document[member])) document[member].forEach((a, i) => look(a, root, [member, i], ['access_control', 'limits', 'fallback_action'], true));
  }
}

function isJsonLd(document) {
  const context = new Context().extend(document['@context'] ?? {}, ['@context'], () => {});
  return Object.keys(document).some((name) => name !== '@context' && context.bare(name) === '@type');
}

// --- the rules ------------------------------------------------------------------------------------------------------------

class Check {
  constructor() {
    this.violations = [];
    this.foreign = [];
    this.unsupportedVersion = null;
  }

  report(path, rule, message) { this.violations.push({ path, rule, message }); }
  foreignMember(path, profile) { this.foreign.push({ path, rule: 'profile_not_supported', message: `this needs the profile ${profile}` }); }

  /** Checks a member's type; true if it is there and of that type. */
  typed(object, name, path, type, required = false) {
    if (!has(object, name)) {
      if (required) this.report(path, 'required', `${name} is missing`);
      return false;
    }
    const v = object[name];
    const fits = { string: typeof v === 'string', array: Array.isArray(v), object: isObject(v), boolean: typeof v === 'boolean', schema: isObject(v) || typeof v === 'boolean' }[type];
    if (!fits) this.report([...path, name], 'type', `${name} has to be of the type ${type === 'schema' ? 'object or boolean' : type}`);
    return fits;
  }

  text(object, name, path, required = false) {
    if (!this.typed(object, name, path, 'string', required)) return false;
    if (object[name] !== '') return true;
    this.report([...path, name], 'minLength', `${name} may not be empty`);
    return false;
  }

  name(object, path) {
    if (this.typed(object, 'name', path, 'string', true) && !NAME.test(object.name)) this.report([...path, 'name'], 'pattern', 'a name is made of letters, digits and _ . : -');
  }

  oneOf(object, name, path, values, required = false) {
    if (!this.typed(object, name, path, 'string', required)) return false;
    if (values.includes(object[name])) return true;
    this.report([...path, name], 'enum', `${name} has to be one of ${values.join(', ')}`);
    return false;
  }

  wholeNumber(object, name, path, least, most) {
    if (!has(object, name)) return;
    const v = object[name]?.value ?? object[name]; // 300.0 is the whole number 300
    if (typeof v !== 'number' || !Number.isInteger(v)) this.report([...path, name], typeof v === 'bigint' ? 'maximum' : 'type', `${name} has to be a whole number`);
    else if (v < least) this.report([...path, name], 'minimum', `${name} has to be at least ${least}`);
    else if (v > most) this.report([...path, name], 'maximum', `${name} may be at most ${most}`);
  }

  manifest(m) {
    this.name(m, []);
    if (this.typed(m, 'version', [], 'string', true) && !parseVersion(m.version)) this.report(['version'], 'invalid_version', 'a version is MAJOR.MINOR.PATCH, perhaps with a pre-release, or MAJOR.MINOR');
    this.typed(m, 'description', [], 'string');
    if (this.typed(m, 'protocol_version', [], 'string')) {
      const major = majorVersion(m.protocol_version);
      if (major === null) this.report(['protocol_version'], 'pattern', 'a protocol version is MAJOR.MINOR');
      else if (major !== 2) this.unsupportedVersion = { path: ['protocol_version'], rule: 'unsupported_protocol_version', message: 'only version 2 of the protocol is spoken here' };
    }
    this.sized(m, 'actions', true);
    this.sized(m, 'intents', false);
    const names = new Set();
    const actions = Array.isArray(m.actions) ? m.actions.slice(0, 1000) : [];
    actions.forEach((a, i) => {
      if (!isObject(a)) return this.report(['actions', i], 'type', 'an action is an object');
      this.unique(names, a, ['actions', i]);
      return this.action(a, ['actions', i]);
    });
    const intents = new Set();
    (Array.isArray(m.intents) ? m.intents.slice(0, 1000) : []).forEach((n, i) => this.intent(n, ['intents', i], intents, names));
    this.fallbacks(actions, names);
  }

  sized(m, name, required) {
    if (!this.typed(m, name, [], 'array', required)) return;
    if (required && m[name].length === 0) this.report([name], 'minItems', `${name} may not be empty`);
    if (m[name].length > 1000) this.report([name], 'maxItems', `there may be at most 1000 ${name}`);
  }

  unique(names, object, path) {
    if (typeof object.name !== 'string') return;
    if (names.has(object.name)) this.report([...path, 'name'], 'duplicate_name', 'this name is taken');
    names.add(object.name);
  }

  intent(n, path, intents, actions) {
    if (!isObject(n)) return this.report(path, 'type', 'an intent is an object');
    this.name(n, path);
    this.unique(intents, n, path);
    this.typed(n, 'description', path, 'string');
    this.accessControl(n, path);
    if (!this.typed(n, 'actions', path, 'array', true)) return undefined;
    if (n.actions.length === 0) this.report([...path, 'actions'], 'minItems', 'an intent names at least one action');
    n.actions.forEach((a, i) => {
      if (typeof a !== 'string') this.report([...path, 'actions', i], 'type', 'an action is named by a text');
      else if (!actions.has(a)) this.report([...path, 'actions', i], 'unknown_action', 'the manifest has no action of this name');
    });
    return undefined;
  }

  action(a, path) {
    this.name(a, path);
    const typeFits = this.oneOf(a, 'type', path, TYPES, true);
    const type = typeFits ? a.type : null;
    this.typed(a, 'description', path, 'string');
    for (const name of ['input_schema', 'output_schema']) {
      if (!this.typed(a, name, path, 'schema', true)) continue;
      for (const v of compileSchema(a[name]).violations) this.report([...path, name, ...splitPointer(v.pointer)], v.rule, v.message);
    }
    this.resultPath(a, path);
    this.typed(a, 'completes_goal', path, 'boolean');
    this.text(a, 'feature_flag', path);
    if (this.typed(a, 'effects', path, 'array')) {
      a.effects.forEach((e, i) => {
        if (!EFFECTS.includes(e)) this.report([...path, 'effects', i], typeof e === 'string' ? 'enum' : 'type', `an effect is one of ${EFFECTS.join(', ')}`);
        else if (a.effects.indexOf(e) !== i) this.report([...path, 'effects'], 'uniqueItems', 'an effect stands twice');
      });
    }
    if (type && has(FOREIGN_TYPES, type)) this.foreignMember([...path, 'type'], FOREIGN_TYPES[type]);
    this.http(a, path, type === 'invoke_api');
    this.runCode(a, path, type === 'run_code');
    if (this.text(a, 'root', path, type === 'read_file' || type === 'write_file') && !/^(file|s3|memory):/.test(a.root)) this.report([...path, 'root'], 'pattern', 'a root begins with file:, s3: or memory:');
    if (this.text(a, 'prompt', path, type === 'human_intervention')) this.template(a.prompt, [...path, 'prompt']);
    if (this.text(a, 'plugin_reference', path) && !isPluginName(a.plugin_reference)) this.report([...path, 'plugin_reference'], 'pattern', 'a plugin has a dotted name');
    this.conditional(a, path);
    this.accessControl(a, path);
    if (!has(a, 'fallback_action')) return;
    const at = [...path, 'fallback_action'];
    const f = a.fallback_action;
    if (typeof f === 'string') { if (f === '') this.report(at, 'minLength', 'a fallback is named'); } else if (!isObject(f)) this.report(at, 'type', 'a fallback is a name or a node');
    else this.fallbackNode(f, at);
  }

  fallbackNode(f, path) {
    if (!has(f, 'name') && !has(f, 'plugin_reference')) this.report(path, 'required', 'name is missing');
    if (this.typed(f, 'name', path, 'string') && !NAME.test(f.name)) this.report([...path, 'name'], 'pattern', 'a name is made of letters, digits and _ . : -');
    if (this.typed(f, 'plugin_reference', path, 'string') && !isPluginName(f.plugin_reference)) this.report([...path, 'plugin_reference'], 'pattern', 'a plugin has a dotted name');
    this.conditional(f, path);
    this.accessControl(f, path);
    if (this.typed(f, 'input', path, 'object')) eachString(f.input, (text, at) => this.template(text, [...path, 'input', ...at]));
    if (isObject(f.access_control) && f.access_control.verification === 'approval') this.report([...path, 'access_control', 'verification'], 'fallback_needs_approval', 'a fallback may not ask for an approval');
  }

  conditional(object, path) {
    if (!this.text(object, 'conditional', path)) return;
    try { parseExpression(object.conditional); } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      this.report([...path, 'conditional'], 'invalid_expression', `${error.message} (at byte ${error.offset})`);
    }
  }

  template(text, path) {
    try { parseTemplate(text); } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      this.report(path, 'invalid_template', `${error.message} (at byte ${error.offset} of it)`);
    }
  }

  accessControl(object, path) {
    if (!has(object, 'access_control')) return;
    const at = [...path, 'access_control'];
    this.foreignMember(at, 'access');
    const a = object.access_control;
    if (!isObject(a)) return void this.report(at, 'type', 'access_control is an object');
    if (this.typed(a, 'required_scopes', at, 'array')) {
      a.required_scopes.forEach((s, i) => {
        if (typeof s !== 'string') this.report([...at, 'required_scopes', i], 'type', 'a scope is a text');
        // eslint-disable-next-line no-control-regex
        else if (!/^[^\s\u0000-\u001f\u007f-\u009f"'\\]{1,128}$/u.test(s)) this.report([...at, 'required_scopes', i], 'pattern', 'a scope has no white space, quotes and backslash');
      });
    }
    if (this.typed(a, 'rate_limit', at, 'string') && !/^[1-9][0-9]{0,8}\/(s|sec|min|hour|day)$/.test(a.rate_limit)) this.report([...at, 'rate_limit'], 'pattern', 'a rate is N/unit');
    this.oneOf(a, 'verification', at, ['none', 'approval']);
  }

  http(a, path, required) {
    if (this.text(a, 'endpoint', path, required)) {
      if (!referencesAreWellFormed(a.endpoint)) this.report([...path, 'endpoint'], 'invalid_variable', 'a reference is written ${NAME}');
      else if (!isEndpoint(a.endpoint)) this.report([...path, 'endpoint'], 'invalid_endpoint', 'an endpoint is an absolute http or https URL without user information and fragment');
    }
    this.oneOf(a, 'method', path, METHODS, required);
    if (this.text(a, 'auth', path)) this.headerValue(a.auth, [...path, 'auth']);
    if (this.typed(a, 'headers', path, 'object')) this.headers(a, path);
    this.wholeNumber(a, 'timeout_ms', path, 1, 600000);
    this.map(a, 'request_map', path);
    this.map(a, 'response_map', path);
  }

  headerValue(value, path) {
    if (!referencesAreWellFormed(value)) this.report(path, 'invalid_variable', 'a reference is written ${NAME}');
    else if (!/^[ -~]*$/.test(value)) this.report(path, 'invalid_header', 'a header is printable ASCII');
  }

  headers(a, path) {
    const seen = new Set();
    for (const name of Object.keys(a.headers)) {
      const at = [...path, 'headers', name];
      if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) this.report(at, 'invalid_header', 'this is no name of a header');
      else if (CONNECTION_HEADER.test(name) || (name.toLowerCase() === 'authorization' && has(a, 'auth'))) this.report(at, 'forbidden_header', 'this header may not be set here');
      else if (seen.has(name.toLowerCase())) this.report(at, 'duplicate_header', 'this header stands twice');
      seen.add(name.toLowerCase());
      if (typeof a.headers[name] !== 'string') this.report(at, 'type', 'the value of a header is a text');
      else this.headerValue(a.headers[name], at);
    }
  }

  runCode(a, path, required) {
    if (this.text(a, 'runtime', path, required) && !/^(wasm|javascript|python3(\.[0-9]+)?)$/.test(a.runtime)) this.report([...path, 'runtime'], 'pattern', 'a runtime is wasm, javascript or python3');
    this.text(a, 'code', path, required);
    if (this.typed(a, 'entrypoint', path, 'string') && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(a.entrypoint)) this.report([...path, 'entrypoint'], 'pattern', 'an entry point is the name of a function');
    if (this.typed(a, 'limits', path, 'object')) {
      this.wholeNumber(a.limits, 'cpu_ms', [...path, 'limits'], 1, Infinity);
      this.wholeNumber(a.limits, 'memory_mib', [...path, 'limits'], 1, Infinity);
    }
    if (this.typed(a, 'network', path, 'array')) a.network.forEach((n, i) => { if (typeof n !== 'string') this.report([...path, 'network', i], 'type', 'a grant is a text'); });
  }

  pointer(text, path) {
    if (isPointer(text) && text.split('/').length - 1 <= MAX_TOKENS) return true;
    this.report(path, 'invalid_pointer', `this has to be a JSON Pointer of at most ${MAX_TOKENS} tokens`);
    return false;
  }

  noOverlap(targets, path) {
    targets.forEach((t, i) => {
      const other = targets.slice(0, i).some((o) => t === o || t.startsWith(`${o}/`) || o.startsWith(`${t}/`));
      if (other) this.report([...path, t], 'overlapping_targets', 'two targets overlap');
    });
  }

  map(a, name, path) {
    if (!this.typed(a, name, path, 'object')) return;
    const at = [...path, name];
    const targets = [];
    for (const target of Object.keys(a[name])) {
      const source = a[name][target];
      if (this.pointer(target, [...at, target])) targets.push(target);
      if (typeof source === 'string') this.pointer(source, [...at, target]);
      else if (!isObject(source)) this.report([...at, target], 'type', 'a source is a JSON Pointer or a constant');
      else if (!has(source, 'const') || Object.keys(source).length !== 1) this.report([...at, target], 'invalid_source', 'a constant has the one member const');
    }
    if (Object.keys(a[name]).length === 0) this.report(at, 'minProperties', `${name} may not be empty`);
    this.noOverlap(targets, at);
  }

  resultPath(a, path) {
    if (!has(a, 'result_path')) return;
    const at = [...path, 'result_path'];
    const target = (text, place) => {
      if (!this.pointer(text, place)) return false;
      if (/^\/environment\/[^/]/.test(text)) return true;
      this.report(place, 'outside_environment', 'a target lies below /environment/');
      return false;
    };
    if (typeof a.result_path === 'string') target(a.result_path, at);
    else if (!isObject(a.result_path)) this.report(at, 'type', 'result_path is a pointer or an object of pointers');
    else {
      const names = Object.keys(a.result_path);
      if (!names.length) this.report(at, 'minProperties', 'result_path names at least one target');
      const good = names.filter((t) => target(t, [...at, t]));
      for (const t of names) {
        if (typeof a.result_path[t] !== 'string') this.report([...at, t], 'type', 'a source is a JSON Pointer');
        else this.pointer(a.result_path[t], [...at, t]);
      }
      this.noOverlap(good, at);
    }
  }

  /** Fallbacks name actions of the manifest, never in a circle and never one that wants an approval. */
  fallbacks(actions, names) {
    const next = new Map();
    actions.forEach((a, i) => {
      const f = isObject(a) ? a.fallback_action : undefined;
      const byName = typeof f === 'string' && f !== '';
      const name = byName ? f : isObject(f) && !has(f, 'plugin_reference') && typeof f.name === 'string' ? f.name : null;
      if (name === null) return;
      const at = byName ? ['actions', i, 'fallback_action'] : ['actions', i, 'fallback_action', 'name'];
      if (!names.has(name)) return void this.report(at, 'unknown_action', 'the manifest has no action of this name');
      const target = actions.find((t) => isObject(t) && t.name === name);
      if (isObject(target?.access_control) && target.access_control.verification === 'approval') this.report(at, 'fallback_needs_approval', 'a fallback may not ask for an approval');
      if (!next.has(a.name)) next.set(a.name, { name, at: ['actions', i, 'fallback_action'] });
    });
    const done = new Set();
    for (const start of next.keys()) {
      const trail = [];
      for (let n = start; n !== undefined && !done.has(n); n = next.get(n)?.name) {
        if (trail.includes(n)) { this.report(next.get(n).at, 'fallback_cycle', 'fallbacks lead back to where they began'); break; }
        trail.push(n);
      }
      for (const n of trail) done.add(n);
    }
  }
}

/** An absolute http or https URL without user information and fragment. References may stand anywhere, also for its origin. */
function isEndpoint(text) {
  if (text.includes('#') || /[\s\\]/.test(text)) return false;
  const filled = text.replace(/^\$\{[A-Za-z_][A-Za-z0-9_]*\}(?=$|[/?])/, 'http://v').replace(/\$\{[A-Za-z_][A-Za-z0-9_]*\}/g, '1');
  if (!/^https?:\/\/[^/?]/i.test(filled)) return false;
  try {
    const url = new URL(filled);
    return url.hostname !== '' && url.username === '' && url.password === '' && !/^https?:\/\/[^/?]*@/i.test(filled);
  } catch { return false; }
}

/** A path in the snake_case form → a pointer into the document as it was sent. */
function toPointer(document, path) {
  let at = document;
  let pointer = '';
  for (const token of path) {
    const name = (isObject(at) && written.get(at)?.get(token)) ?? token;
    pointer += `/${escapeToken(name === false ? token : name)}`;
    at = at?.[token];
  }
  return pointer;
}

/**
 * Looks at the schemas of a large document in slices, so that registering it keeps nobody else waiting: what was looked at
 * once is known to `loadManifest`.
 */
export async function prepareSchemas(document) {
  if (!isObject(document) || !Array.isArray(document.actions)) return;
  let since = Date.now();
  for (const action of document.actions.slice(0, 1000)) {
    if (!isObject(action)) continue;
    for (const name of ['input_schema', 'output_schema', 'inputSchema', 'outputSchema']) if (isObject(action[name])) compileSchema(action[name]);
    if (Date.now() - since < 10) continue;
    await new Promise((resolve) => { setImmediate(resolve); });
    since = Date.now();
  }
}

/**
 * Checks a document in either spelling.
 * @returns {object} the manifest as the runtime uses it; throws ApiError
 */
export function loadManifest(given) {
  const violations = [];
  const direct = (path, rule, message) => violations.push(violation(path.map((t) => `/${escapeToken(t)}`).join(''), rule, message));
  if (!isObject(given)) {
    direct([], 'type', 'a manifest is an object');
    refuse(violations);
  }
  let document = given;
  if (isJsonLd(given)) document = fromJsonLd(given, direct);
  else findMixed(given, direct);

  const check = new Check();
  check.manifest(document);
  const place = ({ path, rule, message }) => violation(toPointer(document, path), rule, message);
  const known = new Set(violations.map((v) => v.pointer));
  for (const v of check.violations.map(place)) if (!known.has(v.pointer)) violations.push(v);
  if (violations.length) {
    if (check.unsupportedVersion) violations.push(place(check.unsupportedVersion));
    refuse(violations);
  }
  if (check.unsupportedVersion) {
    throw new ApiError('unsupported_protocol_version', 'the manifest is of another major version of the protocol', { details: { violations: [place(check.unsupportedVersion)] } });
  }
  if (check.foreign.length) {
    throw new ApiError('profile_not_supported', 'the manifest needs a profile that is not offered', { details: { violations: check.foreign.map(place).slice(0, 100) } });
  }
  return compile(document);
}

function refuse(violations) {
  const n = violations.length;
  throw new ApiError('manifest_invalid', `the manifest has ${n} violation${n === 1 ? '' : 's'}`, { details: { violations: violations.slice(0, 100) } });
}

function compile(document) {
  const actions = new Map();
  for (const definition of document.actions) {
    actions.set(definition.name, {
      name: definition.name,
      definition,
      input: compileSchema(definition.input_schema).validator,
      output: compileSchema(definition.output_schema).validator,
      conditional: has(definition, 'conditional') ? parseExpression(definition.conditional) : null,
    });
  }
  const version = parseVersion(document.version);
  return {
    name: document.name, version, digest: `sha256:${sha256(canonical(plain(document)))}`, document, actions,
    intents: new Map((document.intents ?? []).map((n) => [n.name, new Set(n.actions)])),
  };
}

// --- the registry ---------------------------------------------------------------------------------------------------------

const MAX_MANIFESTS = 20000;

export class Registry {
  constructor() { this.byName = new Map(); this.count = 0; }

  /** @returns {[manifest, isNew]} */
  register(manifest) {
    const versions = this.byName.get(manifest.name) ?? new Map();
    const present = versions.get(manifest.version.text);
    if (present) {
      if (present.digest === manifest.digest) return [present, false];
      throw new ApiError('manifest_conflict', 'this name and version is taken by another manifest');
    }
    if (this.count >= MAX_MANIFESTS) throw new ApiError('capacity_exceeded', 'there is no room for another manifest');
    versions.set(manifest.version.text, manifest);
    this.byName.set(manifest.name, versions);
    this.count++;
    return [manifest, true];
  }

  all() { return [...this.byName.values()].flatMap((versions) => [...versions.values()]); }

  /** The manifest `name@version`, or undefined. */
  exact(reference) {
    const at = reference.indexOf('@');
    const version = at > 0 ? parseVersion(reference.slice(at + 1)) : null;
    return version ? this.byName.get(reference.slice(0, at))?.get(version.text) : undefined;
  }

  remove(manifest) {
    const versions = this.byName.get(manifest.name);
    if (versions.delete(manifest.version.text)) this.count--;
    if (versions.size === 0) this.byName.delete(manifest.name);
  }

  /** The manifest that a request means by its member `manifest`. */
  select(reference) {
    if (reference === undefined) {
      if (this.byName.size !== 1) throw new ApiError('manifest_required', 'the request has to name its manifest');
      return this.highest(this.byName.keys().next().value);
    }
    if (typeof reference !== 'string' || !isReference(reference)) throw new ApiError('invalid_request', 'manifest is not name@version or a name', { details: { violations: [violation('/manifest', 'pattern', 'write name@version, or a name')] } });
    const found = reference.includes('@') ? this.exact(reference) : this.highest(reference);
    if (!found) throw new ApiError('manifest_not_found', 'no registered manifest has this name or version');
    return found;
  }

  highest(name) {
    const versions = [...(this.byName.get(name)?.values() ?? [])];
    const releases = versions.filter((m) => m.version.pre.length === 0);
    return (releases.length ? releases : versions).sort((a, b) => compareVersions(b.version, a.version))[0];
  }
}

/** `name@version` or a bare name. */
export function isReference(text) {
  const at = text.indexOf('@');
  return at < 0 ? NAME.test(text) : NAME.test(text.slice(0, at)) && parseVersion(text.slice(at + 1)) !== null;
}
