/**
 * How an accepted call becomes a request and an output (actions.md, workflows.md 13): `invoke_api` and plugins, redaction,
 * maps, validation. A failure is an error object, never an exception.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  decodeUtf8, has, isNumber, isObject, lookUp, mapStrings, obj, parse, putAt, sha256, splitPointer, stringify,
} from './json.js';
import { errorObject } from './errors.js';
import { compileSchema } from './schema.js';
import { isPluginName } from './manifest.js';
import { NetError, send } from './net.js';
import { CredentialError, referencesAreWellFormed, resolveEndpoint, resolveHeader } from './secrets.js';

const REPLY_BYTES = 1048576;
const REPLY_DEPTH = 512;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;

export const succeeded = (name, output) => ({ action_name: name, success: true, output, error: null });
export const failed = (name, error) => ({ action_name: name, success: false, output: null, error });
export const skipped = (name) => ({ action_name: name, success: true, output: null, error: null, status: 'skipped' });

/** Failures for a reason outside the request, after which a fallback runs (workflows.md 10). */
const OUTSIDE = new Set(['upstream_unreachable', 'upstream_timeout', 'upstream_status', 'redirect_refused', 'plugin_error']);
export const mayFallBack = (error) => OUTSIDE.has(error.errorCode);

/** The value that a request_map or response_map builds. */
function applyMap(map, source) {
  let out = obj();
  for (const target of Object.keys(map)) {
    const from = map[target];
    const value = typeof from === 'string' ? lookUp(source, from) : from.const;
    if (value !== undefined) out = putAt(out, splitPointer(target), value) ?? out;
  }
  return out;
}

/** Arguments as pairs of a query (actions.md 2.4). */
function toPairs(args) {
  const pairs = [];
  const text = (v) => (typeof v === 'string' ? v : stringify(v));
  if (!isObject(args)) return pairs;
  for (const [key, value] of Object.entries(args)) {
    for (const v of Array.isArray(value) ? value : [value]) if (v !== null) pairs.push([key, text(v)]);
  }
  return pairs;
}

const withoutQuery = (url) => `${url.protocol}//${url.host}${url.pathname}`;

export class Actions {
  constructor(config, addresses, redact) {
    this.config = config;
    this.addresses = addresses;
    this.redact = redact;
    this.plugins = loadPlugins(config.pluginsFolder);
  }

  redactValue(value) { return mapStrings(value, this.redact); }

  /**
   * Runs an action of the manifest, or a plugin, with checked arguments. Nothing is repeated.
   * @param {{name, definition, output}} action
   * @param {{key: string, effects?: Array}} context `key` is what the key towards the service is derived from
   * @returns {Promise<{output} | {error}>}
   */
  async run(action, args, context) {
    try {
      const { definition } = action;
      const api = definition.type === 'plugin' ? await this.pluginCode(action.plugin ?? definition.plugin_reference ?? definition.name) : definition;
      if (!api) return { error: errorObject('plugin_error', 'the code of the plugin could not be loaded') };
      const reply = await this.invoke(api, args, context);
      if (reply.error) return reply;
      const violations = action.output.check(reply.output);
      return violations ? { error: errorObject('output_validation_failed', `the output of ${action.name} does not satisfy its output_schema`, { violations }) } : reply;
    } catch (error) {
      if (error instanceof CredentialError) return { error: errorObject(error.code, error.message) };
      console.error('an action failed unexpectedly:', error?.name);
      return { error: errorObject('internal_error', 'the runtime could not carry out the action') };
    }
  }

  async invoke(api, args, context) {
    const { config } = this;
    const timeoutMs = Number(api.timeout_ms?.value ?? api.timeout_ms ?? 10000);
    let url;
    try { url = new URL(resolveEndpoint(config, api.endpoint)); } catch (error) {
      if (error instanceof CredentialError) throw error;
      return { error: errorObject('upstream_unreachable', 'the endpoint is no URL once its variables are in place') };
    }
    const headers = { Accept: 'application/json' };
    const set = (name, value) => {
      for (const known of Object.keys(headers)) if (known.toLowerCase() === name.toLowerCase()) delete headers[known];
      headers[name] = value;
    };
    const payload = has(api, 'request_map') ? applyMap(api.request_map, args) : args;
    let body;
    if (api.method === 'GET' || api.method === 'DELETE') {
      const query = new URLSearchParams(toPairs(payload)).toString();
      if (query) url.search = url.search.length > 1 ? `${url.search}&${query}` : `?${query}`;
    } else {
      body = stringify(payload);
      headers['Content-Type'] = 'application/json';
    }
    // A stable key lets the service see a repetition; no two executions share one.
    if (api.method !== 'GET') headers['Idempotency-Key'] = sha256(context.key);
    for (const name of Object.keys(api.headers ?? {})) set(name, resolveHeader(config, api.headers[name], url));
    if (has(api, 'auth')) set('Authorization', resolveHeader(config, api.auth, url));
    if (body !== undefined) set('Content-Type', 'application/json');

    const deadline = Date.now() + timeoutMs;
    for (let hops = 0; ; hops++) {
      let effect = null;
      const onSend = () => {
        effect = { step_number: null, kind: 'http', method: api.method, target: withoutQuery(url), status: null, at: new Date().toISOString() };
        context.effects?.push(effect);
      };
      let reply;
      try {
        reply = await send(url, {
          method: api.method, headers, body, timeoutMs: Math.max(1, deadline - Date.now()), maxBytes: REPLY_BYTES, addresses: this.addresses, onSend,
          wantsBody: (status) => status >= 200 && status <= 299,
        });
      } catch (error) {
        if (!(error instanceof NetError)) throw error;
        if (effect && error.status) effect.status = error.status;
        return { error: networkError(error, timeoutMs) };
      }
      if (effect) effect.status = reply.status;
      if (REDIRECTS.has(reply.status) && reply.headers.location !== undefined) {
        const next = redirectTarget(reply.headers.location, url);
        if (!next || api.method !== 'GET' || hops >= MAX_REDIRECTS) return { error: errorObject('redirect_refused', 'the service redirected to another origin, a request that is no GET, or too often') };
        url = next;
        continue;
      }
      if (reply.status < 200 || reply.status > 299) {
        const retryable = reply.status === 408 || reply.status === 429 || reply.status >= 500;
        return { error: errorObject('upstream_status', `the service answered ${reply.status}`, { status: reply.status }, retryable) };
      }
      return this.readReply(api, reply.body);
    }
  }

  readReply(api, body) {
    let output = null;
    if (body.length > 0) {
      try {
        // The raw text first, so that no form of a secret survives; then what only an escape had hidden.
        output = this.redactValue(parse(this.redact(decodeUtf8(body)), { maxDepth: REPLY_DEPTH, duplicates: 'last' }));
      } catch {
        return { error: errorObject('invalid_response', 'the reply of the service is not one JSON value') };
      }
    }
    if (has(api, 'response_map')) output = applyMap(api.response_map, output);
    return { output };
  }

  /** The declared HTTP action that is a plugin's code; read at its first use, null if that cannot be done. */
  async pluginCode(name) {
    const plugin = this.plugins.get(name);
    if (!plugin) return null;
    plugin.code ??= loadCode(plugin.file);
    return plugin.code;
  }
}

function networkError(error, timeoutMs) {
  switch (error.kind) {
    case 'timeout': return errorObject('upstream_timeout', `the service gave no complete answer within ${timeoutMs} ms`);
    case 'too_large': return errorObject('response_too_large', 'the reply of the service has more than 1 MiB');
    case 'address': return errorObject('address_refused', 'the host of the endpoint has an address that is not allowed');
    default: return errorObject('upstream_unreachable', 'the service could not be reached or closed the connection early');
  }
}

/** Where a redirect leads, if that is within the origin; else null. */
function redirectTarget(location, url) {
  try {
    const next = new URL(location, url);
    if (next.origin !== url.origin) return null;
    next.username = '';
    next.password = '';
    next.hash = '';
    return next;
  } catch { return null; }
}

// --- plugins --------------------------------------------------------------------------------------------------------------

/** Reads the descriptors, not the code. A descriptor that is unfit is no plugin. */
function loadPlugins(folder) {
  const plugins = new Map();
  if (!folder) return plugins;
  let files = [];
  try { files = readdirSync(folder).filter((f) => f.endsWith('.json')).sort(); } catch { console.error('the plugins folder cannot be read'); }
  for (const file of files) {
    try {
      const d = parse(decodeUtf8(readFileSync(path.join(folder, file))));
      const input = compileSchema(d.input_schema).validator;
      const output = compileSchema(d.output_schema).validator;
      const access = d.access_control ?? {};
      // Without the profile `access` a rate or an approval could not be kept: such a plugin is not offered.
      if (!isPluginName(d.name) || typeof d.code !== 'string' || !input || !output || has(access, 'rate_limit') || access.verification === 'approval') throw new Error('unfit');
      plugins.set(d.name, {
        name: d.name, input, output, definition: obj({ type: 'plugin', name: d.name, description: d.description, input_schema: d.input_schema, output_schema: d.output_schema }),
        plugin: d.name, conditional: null, scopes: access.required_scopes ?? [], file: path.join(folder, d.code), code: null,
      });
    } catch { console.error(`the plugin descriptor ${file} is not used`); }
  }
  return plugins;
}

async function loadCode(file) {
  try {
    if (!file.endsWith('.json')) return null;
    const code = parse(decodeUtf8(await readFile(file)));
    const fits = isObject(code) && code.type === 'invoke_api' && ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(code.method)
      && [code.endpoint, code.auth ?? '', ...Object.values(code.headers ?? {})].every((t) => typeof t === 'string' && referencesAreWellFormed(t))
      && (code.timeout_ms === undefined || isNumber(code.timeout_ms));
    return fits ? code : null;
  } catch { return null; }
}
