/**
 * The JSON-LD spelling (manifests.md section 4, workflows.md section 2): from a document with `@type`, prefixes and
 * contexts to the bare names of the vocabulary. Nothing is ever fetched; what a reader could read over is refused.
 */
import { has, isObject, joinPointer, obj } from './json.js';

export const VOCABULARY = 'https://open-action.example/2.0/vocab#';

/** The members of the published context: camelCase → snake_case. */
export const TERMS = Object.fromEntries([
  'name', 'version', 'description', 'protocolVersion', 'actions', 'intents', 'actionType', 'inputSchema', 'outputSchema', 'endpoint',
  'method', 'auth', 'headers', 'timeoutMs', 'requestMap', 'responseMap', 'runtime', 'code', 'entrypoint', 'limits', 'cpuMs',
  'memoryMib', 'network', 'root', 'prompt', 'pluginReference', 'accessControl', 'requiredScopes', 'rateLimit', 'verification',
  'effects', 'fallbackAction', 'conditional', 'resultPath', 'completesGoal', 'featureFlag', 'input', 'action', 'requestId',
].map((term) => [term, term === 'actionType' ? 'type' : term.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)]));

const HIDING = new Set(['@nest', '@included', '@graph', '@reverse', '@set', '@list', '@value']);
const NO_ALIAS = new Set(['@nest', '@included', '@graph', '@reverse']);
const MAX_CHAIN = 8;

/** The names that are in force: inline definitions over the published ones. */
export class Context {
  constructor(terms = new Map()) { this.terms = terms; }

  /** This context with `value`, an `@context`, added. Violations are reported through `report(path, rule, message)`. */
  extend(value, path, report) {
    const terms = new Map(this.terms);
    const add = (part, at, inArray) => {
      if (Array.isArray(part) && !inArray) part.forEach((p, i) => add(p, [...at, i], true));
      else if (isObject(part)) for (const term of Object.keys(part)) this.define(terms, term, part[term], [...at, term], report);
      else if (typeof part !== 'string') report(at, 'type', 'a context is a text, an object or an array of these');
    };
    add(value, path, false);
    const next = new Context(terms);
    if (isObject(value) || Array.isArray(value)) next.checkProtected(path, value, report);
    return next;
  }

  define(terms, term, definition, path, report) {
    if (term.startsWith('@')) return;
    let iri = definition;
    if (isObject(definition)) {
      if (has(definition, '@context')) return report(path, 'invalid_context', 'a term may not have a context of its own');
      if (has(definition, '@reverse') || has(definition, '@nest')) return report(path, 'invalid_context', 'a term may not be a reverse or nested one');
      const containers = [definition['@container'] ?? '@set'].flat();
      if (containers.some((c) => c !== '@list' && c !== '@set')) return report(path, 'invalid_context', 'a term may only have the containers @list and @set');
      iri = has(definition, '@id') ? definition['@id'] : undefined;
      if (iri === undefined) return undefined;
    }
    if (iri === null) { terms.set(term, { iri: null, path }); return undefined; }
    if (typeof iri !== 'string') return report(path, 'type', 'a term stands for a text');
    if (NO_ALIAS.has(iri)) return report(path, 'invalid_context', `no name may stand for ${iri}`);
    terms.set(term, { iri, path });
    return undefined;
  }

  checkProtected(path, value, report) {
    for (const [term, { path: at }] of this.terms) {
      if (!joinPointer(at).startsWith(joinPointer(path))) continue;
      let expanded;
      try { expanded = this.expand(term); } catch { report(at, 'invalid_context', 'names stand for each other in a circle or a long chain'); continue; }
      if (has(TERMS, term) && expanded !== VOCABULARY + term) report(at, 'protected_term', `${term} is a term of the published context and keeps its meaning`);
      if (term === 'OpenAction' && expanded !== VOCABULARY) report(at, 'protected_term', 'OpenAction is a term of the published context and keeps its meaning');
    }
  }

  /** The IRI or keyword that a name stands for, the name itself if it stands for nothing; throws in circles. */
  expand(name, depth = 0) {
    if (depth > MAX_CHAIN) throw new Error('circle');
    if (this.terms.has(name)) {
      const { iri } = this.terms.get(name);
      return iri === null || iri === name ? name : this.expand(iri, depth + 1);
    }
    if (has(TERMS, name)) return VOCABULARY + name;
    if (name === 'OpenAction') return VOCABULARY;
    const colon = name.indexOf(':');
    if (colon > 0 && !name.startsWith('//', colon + 1)) {
      const prefix = name.slice(0, colon);
      if (this.terms.has(prefix) || prefix === 'OpenAction') return this.expand(prefix, depth + 1) + name.slice(colon + 1);
    }
    return name;
  }

  /** The bare term or keyword for a member's name; other names stay as they are. */
  bare(name) {
    let iri;
    try { iri = this.expand(name); } catch { return name; }
    if (iri.startsWith('@')) return iri;
    return iri.startsWith(VOCABULARY) && has(TERMS, iri.slice(VOCABULARY.length)) ? iri.slice(VOCABULARY.length) : name;
  }

  /** Whether an `@type` says that the thing is a `local` of the vocabulary. */
  isType(value, local) {
    if (Array.isArray(value)) return value.length === 1 && typeof value[0] === 'string' && this.isType(value[0], local);
    if (typeof value !== 'string') return false;
    try { return this.expand(value) === VOCABULARY + local; } catch { return false; }
  }
}

/**
 * One object of the model with its members under their bare names. `@context` is taken up and left out.
 * @returns {{context: Context, members: object, names: Map}} `names` tells how each member was written
 */
export function expandObject(object, parent, path, report) {
  const context = has(object, '@context') ? parent.extend(object['@context'], [...path, '@context'], report) : parent;
  const members = obj();
  const names = new Map();
  for (const name of Object.keys(object)) {
    if (name === '@context') continue;
    const bare = context.bare(name);
    if (HIDING.has(bare)) { report([...path, name], 'invalid_context', `${bare} is not allowed here`); continue; }
    if (names.has(bare)) { report([...path, name], 'duplicate_key', `this is ${bare} once more, under another name`); continue; }
    names.set(bare, name);
    members[bare] = object[name];
  }
  return { context, members, names };
}
