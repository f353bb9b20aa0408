/**
 * The HTTP side: paths and methods, bodies and their limits, answers that hold no secret. What a call does is elsewhere.
 */
import http from 'node:http';
import { JsonError, decodeUtf8, mapStrings, parse, stringify } from './json.js';
import { ApiError, errorObject } from './errors.js';
import { Idempotency, keyOf } from './idempotency.js';
import { loadManifest, prepareSchemas } from './manifest.js';
import { checkVersion } from './requests.js';
import { identity } from './sessions.js';

const MIB = 1048576;
const DRAIN_MS = 1000;

const CAPABILITIES = {
  protocol_version: '2.0',
  profiles: ['core', 'session', 'human', 'workflow'],
  runtimes: [],
  limits: { body_bytes: MIB, observation_bytes: MIB, nesting: 64, max_steps: 10000, model_attempts: 3, execute_body_bytes: 4 * MIB },
  implementation: { name: 'oap-runtime-js', version: '0.1.0' },
};

/** Reads a body up to the limit. The rest of a longer one is let go first, so that the client can read its answer. */
function readBody(request, limit) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    const tooLarge = () => reject(new ApiError('too_large', `the body has more than ${limit} bytes`, { headers: { Connection: 'close' } }));
    if (Number(request.headers['content-length']) > limit) setTimeout(tooLarge, DRAIN_MS).unref();
    request.on('data', (chunk) => {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
      else {
        chunks.length = 0;
        if (size > limit + 16 * MIB) tooLarge();
      }
    });
    const broken = () => reject(new ApiError('malformed_json', 'the body broke off'));
    request.on('end', () => (size > limit ? tooLarge() : resolve(Buffer.concat(chunks))));
    request.on('error', broken);
    request.on('aborted', broken);
  });
}

/** The body as a JSON value; undefined if it is empty and may be. */
async function readJson(request, { limit, mayBeEmpty }) {
  const bytes = await readBody(request, limit);
  if (bytes.length === 0) {
    if (mayBeEmpty) return undefined;
    throw new ApiError('malformed_json', 'the body is empty');
  }
  const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  if (type !== 'application/json') throw new ApiError('unsupported_media_type', 'a body has to be application/json');
  try {
    return parse(decodeUtf8(bytes));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new ApiError(error.code, error.message, error.code === 'duplicate_key' ? { details: { pointer: error.pointer } } : {});
  }
}

export function createServer({ registry, sessions, workflows, redact }) {
  const idempotency = new Idempotency();
  let stopping = false;

  const manifestAt = (reference) => {
    const found = registry.exact(reference);
    if (!found) throw new ApiError('manifest_not_found', 'no registered manifest has this name and version');
    return found;
  };
  const manifestAnswer = (m) => ({ ...identity(m), protocol_version: '2.0' });

  /**
   * method → handler(parameters, body, request). `body`: how the body is read; `key`: whether idempotency applies, and
   * whether `requestId` counts; `before`: checks that come before a stored answer is looked up.
   */
  const json = { limit: MIB, mayBeEmpty: false };
  const perhaps = { limit: MIB, mayBeEmpty: true };
  const routes = [
    [/^\/capabilities$/, { GET: { run: () => [200, CAPABILITIES] } }],
    [/^\/healthz$/, { GET: { run: () => {
      if (stopping) throw new ApiError('capacity_exceeded', 'the runtime is shutting down');
      return [200, { status: 'ok' }];
    } } }],
    [/^\/manifests$/, {
      GET: { run: () => [200, { manifests: registry.all().map(identity), protocol_version: '2.0' }] },
      POST: { body: json, key: 'header', asSent: true, run: async (_, body) => {
        await prepareSchemas(body);
        const [manifest, isNew] = registry.register(loadManifest(body));
        return [isNew ? 201 : 200, manifestAnswer(manifest)];
      } },
    }],
    [/^\/manifests\/([^/]+)$/, {
      GET: { run: ([reference]) => { const m = manifestAt(reference); return [200, { ...manifestAnswer(m), manifest: m.document }]; } },
      DELETE: { run: ([reference]) => { const m = manifestAt(reference); registry.remove(m); return [200, manifestAnswer(m)]; } },
    }],
    [/^\/sessions$/, { POST: { body: json, key: 'both', run: (_, body) => [201, sessions.create(body)] } }],
    [/^\/sessions\/([^/]+)$/, { GET: { run: ([id]) => [200, sessions.read(id)] } }],
    [/^\/sessions\/([^/]+)\/step$/, { POST: { body: perhaps, key: 'both', object: true, run: async ([id]) => [200, await sessions.step(id)] } }],
    [/^\/sessions\/([^/]+)\/close$/, { POST: { body: perhaps, key: 'both', object: true, run: async ([id]) => [200, await sessions.close(id)] } }],
    [/^\/sessions\/([^/]+)\/interventions\/([^/]+)$/, { POST: { body: json, key: 'both', run: async ([id, iid], body) => [200, await sessions.answerQuestion(id, iid, body)] } }],
    [/^\/sessions\/([^/]+)\/transcript$/, { GET: { run: ([id]) => [200, sessions.transcript(id)] } }],
    [/^\/execute$/, { POST: { body: { limit: 4 * MIB, mayBeEmpty: false }, key: 'both', before: (body) => workflows.checkExecute(body), run: (_, body) => workflows.execute(body, () => stopping) } }],
    [/^\/plan$/, { POST: { body: json, run: async (_, body) => [200, await workflows.plan(body)] } }],
  ];

  function answerOf(status, value, headers = {}, extra = {}) {
    return { status, text: redact(typeof value === 'string' ? value : stringify(value)), headers, ...extra };
  }

  function errorAnswer(error) {
    if (error instanceof ApiError) return answerOf(error.status, error.error, error.headers, { retryable: error.error.retryable });
    console.error('unexpected:', error?.stack ?? error);
    return answerOf(500, errorObject('internal_error', 'something went wrong inside the runtime'));
  }

  function find(request) {
    const path = request.url.split(/[?#]/)[0];
    for (const [pattern, methods] of routes) {
      const match = pattern.exec(path);
      if (!match) continue;
      const route = methods[request.method];
      if (!route || !Object.hasOwn(methods, request.method)) {
        throw new ApiError('method_not_allowed', 'the path has no such method', { headers: { Allow: Object.keys(methods).join(', ') } });
      }
      const parameters = match.slice(1).map((p) => { try { return decodeURIComponent(p); } catch { return p; } });
      return { route, parameters, path };
    }
    throw new ApiError('not_found', 'there is no such path');
  }

  async function answer(request) {
    try {
      const { route, parameters, path } = find(request);
      let body = route.body ? await readJson(request, route.body) : undefined;
      if (!route.body) request.resume();
      if (stopping && path !== '/healthz' && route.body) throw new ApiError('capacity_exceeded', 'the runtime is shutting down');
      const sent = body;
      if (route.object && body !== undefined && (body === null || typeof body !== 'object' || Array.isArray(body))) {
        throw new ApiError('invalid_request', 'the body has to be an object', { details: { violations: [{ pointer: '', rule: 'type', message: 'write an object, or nothing' }] } });
      }
      if (route.object && body !== undefined) checkVersion(body);
      // A credential that a client recites is neither read nor given back. A manifest is kept as it is.
      if (!route.asSent) body = mapStrings(body, redact);
      route.before?.(body);
      const key = route.key ? keyOf(request.headers, sent, route.key === 'both') : undefined;
      return await idempotency.run(`${request.method} ${path}`, key, sent, route.key === 'both', async () => {
        try {
          const [status, value, extra] = await route.run(parameters, body, request);
          const given = answerOf(status, value, {}, {});
          if (extra?.repeat) given.repeat = () => { try { return extra.repeat() ? given : undefined; } catch (error) { return errorAnswer(error); } };
          return given;
        } catch (error) {
          return errorAnswer(error);
        }
      });
    } catch (error) {
      return errorAnswer(error);
    }
  }

  const server = http.createServer({ keepAliveTimeout: 65000, requestTimeout: 120000 }, async (request, response) => {
    response.on('error', () => {});
    const { status, text, headers } = await answer(request);
    if (!response.writable || response.destroyed) return;
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), 'Cache-Control': 'no-store', ...(stopping ? { Connection: 'close' } : {}), ...headers });
    response.end(text);
  });
  server.on('clientError', (error, socket) => {
    if (!socket.writable) return;
    const text = JSON.stringify(errorObject('invalid_request', 'this is no HTTP request'));
    socket.end(`HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`);
  });
  server.beginStopping = () => { stopping = true; };
  return server;
}
