/**
 * Nodes of a workflow before anything runs (workflows.md 2, 3 and 6): their form in any spelling, and what they name in
 * manifest, intent and plugins. All violations of a request are found before it is refused.
 */
import { has, isObject, joinPointer, obj } from './json.js';
import { ApiError, invalidRequest, violation } from './errors.js';
import { Context, expandObject } from './jsonld.js';
import { isName, isPluginName, majorVersion } from './manifest.js';
import { ExpressionError, eachString, parseExpression, parseTemplate } from './expressions.js';

const SNAKE = ['fallback_action', 'access_control', 'plugin_reference', 'request_id', 'protocol_version'];
// eslint-disable-next-line no-control-regex
const SCOPE = /^[^\s\u0000-\u001f\u007f-\u009f"'\\]{1,128}$/u;

/** Collects what is wrong with a request, kind by kind, so that the first kind in order decides the answer. */
export class NodeCheck {
  constructor() {
    this.violations = [];
    this.versions = [];
    this.expressions = [];
    this.foreign = [];
  }

  report(path, rule, message) { this.violations.push(violation(joinPointer(path), rule, message)); }

  version(value, path) { if (majorVersion(value) !== 2) this.versions.push(joinPointer(path)); }

  /** Runs a parser; what does not parse is an error of its own kind. */
  parses(code, path, parse, text) {
    try { return parse(text); } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      this.expressions.push({ code, message: error.message, details: { reason: error.reason, offset: error.offset, pointer: joinPointer(path) } });
      return null;
    }
  }

  refuse() {
    if (this.violations.length) throw invalidRequest(this.violations);
    if (this.versions.length) throw new ApiError('unsupported_protocol_version', 'only version 2 of the protocol is spoken here', { status: 400, details: { pointer: this.versions[0] } });
    if (this.expressions.length) {
      const { code, message, details } = this.expressions[0];
      throw new ApiError(code, message, { details });
    }
    if (this.foreign.length) {
      throw new ApiError('profile_not_supported', 'the request needs a profile that is not offered', {
        details: { violations: this.foreign.map((p) => violation(joinPointer(p), 'profile_not_supported', 'this needs the profile access')).slice(0, 100) },
      });
    }
  }

  accessControl(value, path, ofRequest) {
    this.foreign.push(path);
    if (!isObject(value)) return this.report(path, 'type', 'accessControl is an object');
    for (const name of ['required_scopes', 'rate_limit']) if (has(value, name)) this.report([...path, name], 'mixed_spelling', 'members are written in camelCase');
    if (ofRequest) for (const name of ['rateLimit', 'verification']) if (has(value, name)) this.report([...path, name], 'not', 'a request has requiredScopes only');
    if (has(value, 'requiredScopes')) {
      if (!Array.isArray(value.requiredScopes)) this.report([...path, 'requiredScopes'], 'type', 'requiredScopes is an array');
      else value.requiredScopes.forEach((s, i) => { if (typeof s !== 'string' || !SCOPE.test(s)) this.report([...path, 'requiredScopes', i], 'pattern', 'a scope has no white space, quotes and backslash'); });
    }
    if (has(value, 'rateLimit') && !(typeof value.rateLimit === 'string' && /^[1-9][0-9]{0,8}\/(s|sec|min|hour|day)$/.test(value.rateLimit))) this.report([...path, 'rateLimit'], 'pattern', 'a rate is N/unit');
    if (has(value, 'verification') && !['none', 'approval'].includes(value.verification)) this.report([...path, 'verification'], 'enum', 'verification is none or approval');
    return undefined;
  }

  /**
   * One node by its form.
   * @param {'any'|'wrapped'|'fallback'} place where it stands: an approval is allowed at the top only
   */
  node(raw, path, place = 'any', parent = new Context()) {
    if (!isObject(raw)) { this.report(path, 'type', 'a node is an object'); return null; }
    const { context, members, names } = expandObject(raw, parent, path, (...v) => this.report(...v));
    const at = (name) => [...path, names.get(name) ?? name];
    if (!has(members, '@type')) { this.report(path, 'required', '@type is missing'); return null; }
    const isApproval = context.isType(members['@type'], 'HumanApproval');
    if (!isApproval && !context.isType(members['@type'], 'Action')) { this.report(at('@type'), 'enum', 'a node is an OpenAction:Action or an OpenAction:HumanApproval'); return null; }
    for (const name of SNAKE) if (has(members, name)) this.report(at(name), 'mixed_spelling', 'members of a node are written in camelCase');
    if (has(members, 'protocolVersion')) this.version(members.protocolVersion, at('protocolVersion'));
    if (isApproval && place !== 'any') { this.report(path, 'enum', 'a human approval cannot stand here'); return null; }
    return isApproval ? this.approval(raw, members, path, at, context) : this.action(raw, members, path, at, context, place);
  }

  approval(raw, members, path, at, context) {
    for (const name of ['conditional', 'fallbackAction', 'accessControl', 'requestId']) if (has(members, name)) this.report(at(name), 'not', 'this belongs to the action of the approval');
    let prompt = null;
    if (!has(members, 'prompt')) this.report(path, 'required', 'prompt is missing');
    else if (typeof members.prompt !== 'string') this.report(at('prompt'), 'type', 'prompt is a text');
    else if (members.prompt === '') this.report(at('prompt'), 'minLength', 'prompt may not be empty');
    else prompt = this.parses('template_error', at('prompt'), parseTemplate, members.prompt);
    if (!has(members, 'action')) { this.report(path, 'required', 'action is missing'); return null; }
    const inner = this.node(members.action, at('action'), 'wrapped', context);
    return inner && { ...inner, raw, prompt };
  }

  action(raw, members, path, at, context, place) {
    const node = { raw, path, name: members.name, pluginReference: members.pluginReference, input: members.input, conditional: null, fallback: null, requestId: members.requestId, prompt: null };
    if (has(members, 'name') && !isName(members.name)) this.report(at('name'), typeof members.name === 'string' ? 'pattern' : 'type', 'a name is made of letters, digits and _ . : -');
    if (has(members, 'pluginReference') && !isPluginName(members.pluginReference)) this.report(at('pluginReference'), typeof members.pluginReference === 'string' ? 'pattern' : 'type', 'a plugin has a dotted name');
    if (!has(members, 'name') && !has(members, 'pluginReference')) this.report(path, 'anyOf', 'name or pluginReference is missing');
    if (has(members, 'input')) {
      if (!isObject(members.input)) this.report(at('input'), 'type', 'input is an object');
      else eachString(members.input, (text, inner) => this.parses('template_error', [...at('input'), ...inner], parseTemplate, text));
    }
    if (has(members, 'conditional')) {
      if (typeof members.conditional !== 'string') this.report(at('conditional'), 'type', 'conditional is a text');
      else node.conditional = this.parses('conditional_error', at('conditional'), parseExpression, members.conditional);
    }
    if (has(members, 'accessControl')) this.accessControl(members.accessControl, at('accessControl'), false);
    if (has(members, 'requestId') && !(typeof members.requestId === 'string' && /^[ -~]{1,255}$/.test(members.requestId))) this.report(at('requestId'), 'pattern', 'a key has 1 to 255 printable ASCII characters');
    if (has(members, 'fallbackAction')) {
      const f = members.fallbackAction;
      if (typeof f === 'string') {
        if (!isName(f)) this.report(at('fallbackAction'), 'pattern', 'a fallback is named, or a node');
        node.fallback = { raw: f, path: at('fallbackAction'), name: f };
      } else if (!isObject(f)) this.report(at('fallbackAction'), 'type', 'a fallback is a name or a node');
      // A fallback of a fallback has no effect, but its form is looked at.
      else node.fallback = this.node(f, at('fallbackAction'), 'fallback', context);
    }
    if (place === 'fallback') node.isFallback = true;
    return node;
  }
}

// --- what the nodes name ----------------------------------------------------------------------------------------------------

/** Finds actions and plugins for one manifest and intent; throws what check 4 or 5 of section 6 answers. */
export class Resolver {
  constructor(manifest, allowed, plugins) {
    this.manifest = manifest;
    this.allowed = allowed;
    this.plugins = plugins;
    this.missing = new Set();
  }

  /** The same view for other nodes. */
  afresh() { return new Resolver(this.manifest, this.allowed, this.plugins); }

  usable(name) {
    const action = this.manifest.actions.get(name);
    // Definitions behind a flag do not exist for requests, which carry no flags.
    if (!action || has(action.definition, 'feature_flag') || (this.allowed && !this.allowed.has(name))) return null;
    return action;
  }

  /** The definitions that a model may plan with. */
  contractActions() {
    return [...this.manifest.actions.values()].filter(({ name, definition: d }) => this.usable(name) && d.type !== 'human_intervention'
      && !(d.type === 'plugin' && (this.plugins.get(d.plugin_reference ?? d.name)?.scopes.length ?? 1) > 0));
  }

  plugin(reference) {
    const plugin = this.plugins.get(reference);
    if (!plugin) throw new ApiError('plugin_not_found', `there is no plugin ${reference}`);
    for (const scope of plugin.scopes) this.missing.add(scope);
    return plugin;
  }

  target(node) {
    const { name, pluginReference, path } = node;
    if (pluginReference !== undefined) {
      const plugin = this.plugin(pluginReference);
      if (this.allowed && !this.allowed.has(pluginReference)) throw new ApiError('undeclared_action', 'the intent does not list this plugin');
      const definition = this.manifest.actions.get(name)?.definition;
      if (definition && !(definition.type === 'plugin' && (definition.plugin_reference ?? definition.name) === pluginReference)) {
        throw invalidRequest([violation(joinPointer([...path, 'name']), 'name', 'this is the name of a definition that is not this plugin')]);
      }
      return { label: name ?? pluginReference, action: plugin };
    }
    const action = this.usable(name);
    if (!action) throw new ApiError('undeclared_action', 'there is no action of this name that the request may use', { details: { action_name: name } });
    if (action.definition.type === 'human_intervention') throw invalidRequest([violation(joinPointer(path), 'name', 'a workflow asks people through OpenAction:HumanApproval')]);
    if (action.definition.type === 'plugin') this.plugin(action.definition.plugin_reference ?? action.definition.name);
    return { label: name, action };
  }

  /** A node with everything that its run needs. */
  resolve(node) {
    const { label, action } = this.target(node);
    const conditionals = [action.conditional, node.conditional].filter(Boolean);
    const fallback = node.isFallback ? null : this.fallback(node, action);
    return { raw: node.raw, label, action, input: node.input ?? obj(), ownInput: node.input, conditionals, fallback, requestId: node.requestId, prompt: node.prompt, node };
  }

  /** The node's fallback takes the place of the definition's. */
  fallback(node, action) {
    if (node.fallback) return this.resolve({ ...node.fallback, isFallback: true });
    const given = action.definition.fallback_action;
    if (given === undefined) return null;
    const f = typeof given === 'string' ? { name: given } : given;
    const target = this.manifest.actions.get(f.name);
    if (f.plugin_reference === undefined && target?.definition.type === 'human_intervention') return null;
    return this.resolve({
      raw: typeof given === 'string' ? given : camelNode(f), path: node.path, name: f.name, pluginReference: f.plugin_reference, input: f.input,
      conditional: has(f, 'conditional') ? parseExpression(f.conditional) : null, isFallback: true,
    });
  }

  all(nodes) {
    const resolved = nodes.map((n) => this.resolve(n));
    if (this.missing.size) throw new ApiError('insufficient_scope', 'the request needs scopes that nobody holds here', { details: { missing: [...this.missing] } });
    return resolved;
  }
}

function camelNode(f) {
  const node = obj({ '@type': 'OpenAction:Action' });
  for (const [snake, camel] of [['name', 'name'], ['plugin_reference', 'pluginReference'], ['input', 'input'], ['conditional', 'conditional']]) if (has(f, snake)) node[camel] = f[snake];
  return node;
}
