/** The runtime over HTTP, with a scripted model and a scripted service; answers are judged by the published schemas. */
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { readFileSync, readdirSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { build } from '../main.js';
import { readPlan } from '../sessions.js';
import { readIndex } from './fixtures.js';

const given = new URL('../../../../', import.meta.url);
const ajv = new (Ajv2020.default ?? Ajv2020)({ strict: false });
(addFormats.default ?? addFormats)(ajv);
for (const f of readdirSync(new URL('spec/schemas/', given))) ajv.addSchema(JSON.parse(readFileSync(new URL(`spec/schemas/${f}`, given))), f);
const judge = (schema, value) => {
  const validate = ajv.getSchema(`https://open-action.example/2.0/schemas/${schema}.json`) ?? ajv.getSchema(`${schema}.json`);
  assert.ok(validate(value), `${schema}: ${JSON.stringify(validate.errors)} ${JSON.stringify(value).slice(0, 500)}`);
};

const CRM = 'crm-tok+en/5c7e9a22==';
let base; let service; let modelPort; let runtime;
let modelScript = []; let modelCalls = []; let serviceScript = () => ({}); let serviceCalls = [];

const listen = (handler) => new Promise((resolve) => {
  const server = http.createServer((q, r) => {
    const chunks = [];
    q.on('data', (c) => chunks.push(c)).on('end', () => handler(q, r, Buffer.concat(chunks).toString()));
  });
  server.listen(0, '127.0.0.1', () => resolve(server));
});
const servers = [];

before(async () => {
  const model = await listen((q, r, body) => {
    modelCalls.push(JSON.parse(body));
    const next = modelScript.shift();
    if (next === undefined || next?.status) { r.writeHead(next?.status ?? 500, { 'Retry-After': next?.rest ?? '0' }); r.end('{}'); return; }
    if (next === 'hang') return;
    r.setHeader('Content-Type', 'application/json');
    r.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: typeof next === 'string' ? next : JSON.stringify(next) }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 2 } }));
  });
  const s = await listen((q, r, body) => {
    const call = { method: q.method, url: q.url, headers: q.headers, body };
    serviceCalls.push(call);
    const out = serviceScript(call);
    if (out === 'hang') return;
    if (out === 'drop') { q.socket.destroy(); return; }
    r.writeHead(out.status ?? 200, { 'Content-Type': 'application/json', ...out.headers });
    r.end(out.raw ?? JSON.stringify(out.json ?? {}));
  });
  service = `http://127.0.0.1:${s.address().port}`;
  modelPort = model.address().port;
  const { server } = build({
    OPENAI_BASE_URL: `http://127.0.0.1:${modelPort}/v1`, OPENAI_API_KEY: 'sk-test-model-key-0001', OPENAI_MODEL: 'scripted-model', OAP_MODEL_TIMEOUT_MS: '1500',
    CRM_TOKEN: CRM, CALENDAR_TOKEN: 'cal-tok+en/3f9a1c77==', EMAIL_TOKEN: 'eml-tok+en/8b2d4e01==', OAP_TEST_REGION: 'eu', OAP_TEST_SHORT: 'ab12',
    OAP_TEST_MULTILINE: 'first-line\r\nX-Injected: yes>>>???', OAP_TEST_PLUGIN_ORIGIN: service,
    OAP_SECRETS: 'CRM_TOKEN,CALENDAR_TOKEN,EMAIL_TOKEN,OAP_TEST_MULTILINE,OAP_TEST_SHORT', OAP_VARIABLES: 'OAP_TEST_REGION,OAP_TEST_PLUGIN_ORIGIN',
    OAP_ALLOW_ADDRESSES: '127.0.0.0/8', OAP_PLUGINS: new URL('fixtures/plugins', given).pathname,
  });
  runtime = server;
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  base = `http://127.0.0.1:${server.address().port}`;
  servers.push(server, model, s);
});
after(() => { for (const s of servers) { s.closeAllConnections(); s.close(); } });

async function call(method, path, body, headers = {}) {
  const text = body === undefined ? undefined : typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await fetch(base + path, { method, body: text, headers: { ...(text === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers } });
  const answer = await response.text();
  assert.ok(!answer.includes(CRM) && !answer.includes('sk-test-model-key-0001'), 'a secret leaked');
  const value = answer ? JSON.parse(answer) : undefined;
  if (response.status >= 400) judge('error', value);
  return { status: response.status, body: value, headers: response.headers };
}
const reset = (model = [], script = () => ({})) => { modelScript = model; modelCalls = []; serviceScript = script; serviceCalls = []; };

let counter = 0;
async function register(fixture, change = (m) => m) {
  const text = readFileSync(new URL(`fixtures/manifests/valid/${fixture}.json`, given), 'utf8').replace(/https:\/\/api\.(calendar|email|crm)\.example\.com/g, `${service}/$1`);
  const m = change(JSON.parse(text));
  m.name = `${m.name}-t${++counter}`;
  const { status, body } = await call('POST', '/manifests', m);
  assert.equal(status, 201, JSON.stringify(body));
  judge('manifest-registered', body);
  return `${body.name}@${body.version}`;
}
const observation = { timestamp: '2026-03-28T14:00:00Z', user_context: { user_id: 'U5', preferences: {} }, environment: { kept: 1, echo: 'old' } };
async function open(manifest, more = {}) {
  const { status, body } = await call('POST', '/sessions', { goal: { description: 'Do it' }, observation, manifest, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  judge('create-session', body);
  return `/sessions/${body.session_id}`;
}
async function step(path) { const a = await call('POST', `${path}/step`); if (a.status === 200) judge('step', a.body); return a; }
async function close(path) {
  const { status, body } = await call('POST', `${path}/close`, {});
  assert.equal(status, 200);
  judge('close', body);
  const t = body.transcript;
  for (const turn of t.turns) assert.ok(turn.messages.some((m) => m.content.includes(`[contract ${turn.contract}]`)));
  return t;
}
const action = (name, args = {}) => ({ action: name, args });

test('plans: valid, invalid and either, as the fixtures say', () => {
  for (const f of readIndex('plans/valid/index.toml')) assert.ok(readPlan(readFileSync(new URL(`fixtures/plans/valid/${f.file}`, given), 'utf8')).plan, f.file);
  for (const f of readIndex('plans/invalid/index.toml')) {
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(readFileSync(new URL(`fixtures/plans/invalid/${f.file}`, given)));
    const got = readPlan(text);
    if (f.code === 'invalid_plan') assert.equal(got.error?.errorCode, 'invalid_plan', f.file);
    else assert.ok(got.plan, f.file);
  }
});

test('refused arguments point to their places', async () => {
  const m = await register('meetbot');
  for (const f of readIndex('plans/invalid/index.toml').filter((x) => x.code !== 'invalid_plan')) {
    const text = readFileSync(new URL(`fixtures/plans/invalid/${f.file}`, given), 'utf8');
    reset([text, text, text]);
    const s = await open(m);
    const { body } = await step(s);
    assert.equal(body.status, 'awaiting_human', f.file);
    const [error] = body.pending.refusals[0].errors;
    assert.equal(error.errorCode, f.code, f.file);
    if (f.pointer !== undefined) assert.ok(error.details.violations.some((v) => v.pointer === f.pointer), `${f.file} ${JSON.stringify(error)}`);
    assert.equal(serviceCalls.length, 0);
    const wait = await step(s);
    assert.equal(wait.body.errorCode, 'awaiting_human');
  }
});

test('observations: the fixtures', async () => {
  const m = await register('echo');
  for (const f of readIndex('observations/invalid/index.toml')) {
    const o = readFileSync(new URL(`fixtures/observations/invalid/${f.file}`, given), 'utf8');
    const { status, body } = await call('POST', '/sessions', `{"goal":{"description":"x"},"manifest":"${m}","observation":${o}}`);
    assert.equal(status, 400, f.file);
    assert.ok(body.details.violations.some((v) => v.pointer === `/observation${f.pointer}`), `${f.file} ${JSON.stringify(body)}`);
  }
  for (const f of readdirSync(new URL('fixtures/observations/valid/', given)).filter((n) => n !== 'after-a-step.json')) {
    const o = readFileSync(new URL(`fixtures/observations/valid/${f}`, given), 'utf8');
    const { status, body } = await call('POST', '/sessions', `{"goal":{"description":"x"},"manifest":"${m}","observation":${o}}`);
    assert.equal(status, 201, f + JSON.stringify(body));
  }
});

test('a session: steps, limit, failure, redaction, transcript', async () => {
  const m = await register('echo');
  reset([action('echo', { text: 'hello' }), 'hmm', action('lookup', { tags: ['a', 'b'], filter: { x: 1 }, count: 2, exact: true, nothing: null }), action('echo', { text: 'x' }), { status: 503 }],
    (q) => (q.method === 'POST' ? { json: { authorization: q.headers.authorization, url: encodeURIComponent(CRM), b64: Buffer.from(`ab${CRM}`).toString('base64'), list: [1.0, 9007199254740993n.toString()] } } : { json: [1, 2] }));
  const s = await open(m, { max_steps: 3 });
  const one = await step(s);
  assert.deepEqual(one.body.result.output.authorization, 'Bearer [REDACTED]');
  assert.equal(one.body.result.output.url, '[REDACTED]');
  assert.ok(one.body.result.output.b64.includes('[REDACTED]'));
  assert.equal(serviceCalls[0].headers.authorization, `Bearer ${CRM}`);
  assert.equal(serviceCalls[0].body, '{"text":"hello"}');
  const two = await step(s);
  assert.equal(two.body.steps_done, 2);
  assert.match(serviceCalls[1].url, /\?tags=a&tags=b&filter=%7B%22x%22%3A1%7D&count=2&exact=true$/);
  assert.equal(modelCalls.length, 3);
  assert.ok(modelCalls[2].messages.some((x) => x.content.includes('invalid_plan')));
  serviceScript = () => ({ status: 503 });
  const three = await step(s);
  assert.equal(three.body.result.error.errorCode, 'upstream_status');
  assert.equal(three.body.result.error.retryable, true);
  const four = await step(s);
  assert.equal(four.body.status, 'max_steps_reached');
  const five = await step(s);
  assert.equal(five.body.errorCode, 'session_finished');
  judge('session', (await call('GET', s)).body);
  assert.equal((await call('GET', `${s}/transcript`)).status, 409);
  const t = await close(s);
  assert.equal(t.steps.length, 3);
  assert.equal(t.side_effects.length, 3);
  assert.equal(t.status, 'max_steps_reached');
  assert.deepEqual((await call('GET', `${s}/transcript`)).body, t);
  assert.equal((await step(s)).status, 404);
});

test('the model fails, finishes, completes a goal', async () => {
  const m = await register('echo');
  reset([{ status: 503 }, 'hang', action('finish', {}), { finished: true }]);
  let s = await open(m);
  const a = await step(s);
  assert.deepEqual([a.status, a.body.errorCode, a.headers.get('retry-after')], [503, 'llm_unavailable', '0']);
  assert.equal((await step(s)).status, 503);
  const b = await step(s);
  assert.deepEqual([b.body.status, b.body.completed, b.body.steps_done], ['completed', true, 1]);
  await close(s);
  s = await open(m);
  const c = await step(s);
  assert.deepEqual([c.body.status, c.body.result, c.body.steps_done], ['completed', null, 0]);
});

test('a model that wants to rest is not asked', async () => {
  const m = await register('echo');
  reset([{ status: 503, rest: '7' }]);
  const s = await open(m);
  const first = await step(s);
  assert.deepEqual([first.status, first.headers.get('retry-after')], [503, '7']);
  const asked = modelCalls.length;
  assert.equal((await step(s)).status, 503);
  assert.equal(modelCalls.length, asked);
  await close(s);
});

test('failures of services', async () => {
  const m = await register('echo');
  const s = await open(m, { max_steps: 20 });
  const cases = [
    [() => 'drop', 'upstream_unreachable'], [() => ({ raw: '{"a":NaN}' }), 'invalid_response'], [() => ({ raw: `"${'a'.repeat(1048577)}"` }), 'response_too_large'],
    [() => ({ status: 302, headers: { Location: '/elsewhere' } }), 'redirect_refused'], [() => ({ status: 404 }), 'upstream_status'],
  ];
  for (const [script, code] of cases) {
    reset([action('echo', { text: 'x' })], script);
    assert.equal((await step(s)).body.result.error.errorCode, code);
  }
  reset([action('slow_lookup')], () => 'hang');
  assert.equal((await step(s)).body.result.error.errorCode, 'upstream_timeout');
  reset([action('lookup')], () => ({ status: 302, headers: { Location: '/again' } }));
  assert.equal((await step(s)).body.result.error.errorCode, 'redirect_refused');
  assert.equal(serviceCalls.length, 6);
  reset([action('lookup')], () => ({ raw: '' }));
  const empty = await step(s);
  assert.deepEqual(empty.body.result.output, null);
  const t = await close(s);
  assert.equal(t.final_observation.environment.lookup, null);
});

test('credentials', async () => {
  const m = await register('credentials');
  const s = await open(m, { max_steps: 100 });
  for (const [name, code] of [['unset', 'missing_credential'], ['multiline', 'invalid_credential'], ['short', 'missing_credential'], ['model_key', 'missing_credential'], ['process_environment', 'missing_credential'], ['secret_in_endpoint', 'missing_credential']]) {
    reset([action(name)]);
    assert.equal((await step(s)).body.result.error?.errorCode, code, name);
    assert.equal(serviceCalls.length, 0);
  }
  reset([action('literal_body', { text: '${CRM_TOKEN} {{ x }}' })]);
  await step(s);
  assert.equal(serviceCalls[0].body, '{"text":"${CRM_TOKEN} {{ x }}"}');
  reset([action('in_region')]);
  await step(s);
  assert.match(serviceCalls[0].url, /\/eu\//);
});

test('people', async () => {
  const m = await register('human');
  reset([action('ask_time_zone', {}), 'a', 'b', 'c', action('confirm', { question: 'q' }), { finished: true }], () => ({ json: { event_id: 'e' } }));
  const s = await open(m);
  let a = await step(s);
  judge('pending', a.body.pending);
  const iv = `${s}/interventions/${a.body.pending.id}`;
  assert.equal((await call('POST', iv, { output: 1, decision: 'reject' })).status, 400);
  const bad = await call('POST', iv, { output: { time_zone: 'x' } });
  assert.deepEqual([bad.status, bad.body.details.violations[0].pointer], [422, '/output/time_zone']);
  assert.equal((await call('POST', `${s}/interventions/nope`, { output: 1 })).status, 404);
  a = await call('POST', iv, { output: { time_zone: 'UTC' } });
  assert.deepEqual([a.status, a.body.steps_done, a.body.result.success], [200, 1, true]);
  assert.equal((await call('POST', iv, { output: { time_zone: 'UTC' } })).status, 409);
  a = await step(s);
  assert.equal(a.body.pending.refusals.length, 3);
  const plan = { action: 'create_event', args: { start: '2026-04-03T10:00:00+02:00', end: '2026-04-03T11:00:00+02:00' } };
  const wrong = await call('POST', `${s}/interventions/${a.body.pending.id}`, { output: { plan: { action: 'create_event', args: {} } } });
  assert.equal(wrong.status, 422);
  a = await call('POST', `${s}/interventions/${a.body.pending.id}`, { output: { plan } });
  assert.deepEqual([a.status, a.body.steps_done], [200, 2]);
  a = await step(s);
  a = await call('POST', `${s}/interventions/${a.body.pending.id}`, { decision: 'reject' });
  assert.equal(a.body.result.error.errorCode, 'human_rejected');
  a = await step(s);
  assert.equal(a.body.status, 'completed');
  const t = await close(s);
  assert.deepEqual(t.interventions.map((i) => [i.outcome, i.step_number]), [['answered', 1], ['answered', 2], ['rejected', 3]]);
  assert.deepEqual(t.side_effects.map((e) => [e.kind, e.step_number]), [['person', 1], ['person', 2], ['http', 2], ['person', 3]]);
});

test('at the same time', async () => {
  const m = await register('echo');
  reset(Array(30).fill(action('echo', { text: 'x' })), () => ({ json: {} }));
  const s = await open(m, { max_steps: 4 });
  const answers = await Promise.all(Array.from({ length: 8 }, () => step(s)));
  assert.equal(serviceCalls.length, 4);
  assert.deepEqual(answers.map((a) => a.body.status ?? a.body.errorCode).sort(), ['active', 'active', 'active', 'active', 'max_steps_reached', 'session_finished', 'session_finished', 'session_finished']);
  const paths = await Promise.all(Array.from({ length: 100 }, () => open(m)));
  reset(Array(100).fill(action('echo', { text: 'x' })), () => ({ json: {} }));
  const all = await Promise.all(paths.map(step));
  assert.ok(all.every((a) => a.status === 200));
});

test('idempotency', async () => {
  const m = await register('echo');
  reset([action('echo', { text: 'x' }), action('echo', { text: 'y' })]);
  const s = await open(m);
  const [a, b] = await Promise.all([call('POST', `${s}/step`, { requestId: 'k1' }), call('POST', `${s}/step`, undefined, { 'Idempotency-Key': 'k1' })]);
  assert.deepEqual(a.body, b.body);
  assert.equal(serviceCalls.length, 1);
  assert.equal((await call('POST', `${s}/step`, { requestId: 'k1', more: 1 })).body.errorCode, 'idempotency_conflict');
  assert.equal((await call('POST', `${s}/step`, { requestId: 'k1' }, { 'Idempotency-Key': 'k2' })).body.errorCode, 'invalid_request');
  assert.equal((await call('POST', `${s}/step`, { requestId: '' })).body.errorCode, 'invalid_request');
});

test('bodies, paths and methods', async () => {
  const cases = [
    ['POST', '/sessions', '{', 400, 'malformed_json'], ['POST', '/sessions', '', 400, 'malformed_json'], ['POST', '/sessions', '[]', 400, 'invalid_request'], ['POST', '/sessions', '{"a":1,"a":2}', 400, 'duplicate_key'],
    ['POST', '/sessions', new Uint8Array([0x22, 0xff, 0x22]), 400, 'invalid_utf8'], ['POST', '/sessions', '['.repeat(65), 400, 'too_deep'], ['POST', '/sessions', `"${'a'.repeat(1048577)}"`, 413, 'too_large'],
    ['GET', '/nowhere', undefined, 404, 'not_found'], ['PUT', '/sessions', '{}', 405, 'method_not_allowed'], ['POST', '/sessions/x/step', undefined, 404, 'session_not_found'],
    ['POST', '/manifests', '3', 422, 'manifest_invalid'], ['GET', '/manifests/echo', undefined, 404, 'manifest_not_found'],
  ];
  for (const [method, path, body, status, code] of cases) {
    const a = await call(method, path, body);
    assert.deepEqual([a.status, a.body.errorCode], [status, code], `${method} ${path}`);
  }
  assert.equal((await call('POST', '/sessions', '{}', { 'Content-Type': 'text/plain' })).status, 415);
  judge('capabilities', (await call('GET', '/capabilities')).body);
  judge('health', (await call('GET', '/healthz')).body);
  judge('manifest-list', (await call('GET', '/manifests')).body);
});

// --- workflows ------------------------------------------------------------------------------------------------------------

const node = (name, input, more = {}) => ({ '@type': 'OpenAction:Action', name, input, ...more });
async function execute(body) {
  const a = await call('POST', '/execute', { user_id: 'U1', ...body });
  if (a.status === 200) judge('execute-answer', a.body);
  if (a.status === 202) judge('approval-answer', a.body);
  return a;
}

test('workflow: conditionals, templates, defaults, state', async () => {
  const manifest = await register('nodes');
  reset([], (q) => (q.method === 'GET' ? { json: { slots: [{ start: 'a' }], title: 'T', minutes: 5 } } : { json: { id: 'm1' } }));
  const a = await execute({ manifest, open_action: [
    node('look_up', { q: 1 }), node('send_mail', { to: 'x', body: 'at {{ state.lastResult.slots[0].start }} {{ state.lastResult.slots }}' }),
    node('write_down', {}, { conditional: 'state.nothing.here' }), node('book_room', { room: null }),
  ], state: { mine: 1.0, history: [] } });
  assert.equal(a.body.status, 'completed', JSON.stringify(a.body));
  assert.deepEqual(JSON.parse(serviceCalls[1].body), { to: 'x', body: 'at a [{"start":"a"}]' });
  assert.deepEqual(a.body.state.history[2].undefined, ['state.nothing.here']);
  assert.deepEqual(a.body.state.history[3].defaulted, ['title', 'minutes']);
  assert.deepEqual(a.body.state.lastResult, { slots: [{ start: 'a' }], title: 'T', minutes: 5, id: 'm1' });
  const single = await execute({ manifest, open_action: node('look_up') });
  assert.deepEqual(single.body.result, { slots: [{ start: 'a' }], title: 'T', minutes: 5 });
  const fail = await execute({ manifest, open_action: [node('look_up'), node('send_mail', { to: 1 }), node('look_up')] });
  assert.deepEqual([fail.body.status, fail.body.failed_index, fail.body.error.errorCode], ['failed', 1, 'input_validation_failed']);
});

test('workflow: checks', async () => {
  const manifest = await register('nodes');
  reset();
  const cases = [
    [{ open_action: [] }, 400, 'invalid_request'], [{ open_action: node('nope') }, 404, 'undeclared_action'], [{ open_action: node('send_mail'), intent: 'only_look' }, 404, 'undeclared_action'],
    [{ open_action: node('look_up', {}, { conditional: '1 <' }) }, 400, 'conditional_error'], [{ open_action: node('look_up', { a: '{{' }) }, 400, 'template_error'],
    [{ open_action: node('look_up', {}, { fallback_action: 'x' }) }, 400, 'invalid_request'], [{ open_action: node('look_up', {}, { accessControl: {} }) }, 422, 'profile_not_supported'],
    [{ open_action: node('look_up'), protocolVersion: '3.0' }, 400, 'unsupported_protocol_version'], [{ open_action: { '@type': 'OpenAction:Action', pluginReference: 'a.b' } }, 404, 'plugin_not_found'],
    [{ open_action: { '@type': 'OpenAction:Action', pluginReference: '../b' } }, 400, 'invalid_request'], [{ open_action: node('look_up'), intent: 'x' }, 404, 'intent_not_found'],
    [{ open_action: { '@type': 'OpenAction:Action', pluginReference: 'oap_test.guarded', input: { to: 'a', ref: 'r' } } }, 403, 'insufficient_scope'],
    [{ open_action: node('look_up'), state: { a: 'x'.repeat(1048576) } }, 413, 'state_too_large'],
  ];
  for (const [body, status, code] of cases) {
    const a = await execute({ manifest, ...body });
    assert.deepEqual([a.status, a.body.errorCode], [status, code], JSON.stringify(body).slice(0, 200));
  }
  assert.equal(serviceCalls.length, 0);
  const prefixed = await execute({ manifest, open_action: { '@context': { oa: 'https://open-action.example/2.0/vocab#' }, '@type': ['oa:Action'], 'oa:name': 'look_up', 'https://open-action.example/2.0/vocab#conditional': 'false' } });
  assert.equal(prefixed.body.results[0].status, 'skipped');
});

test('workflow: fallbacks and plugins', async () => {
  const manifest = await register('nodes');
  reset([], (q) => (q.url.includes('/look') ? { status: 500 } : { json: { id: 'n' } }));
  const a = await execute({ manifest, open_action: [node('look_up', { a: 1 }, { fallbackAction: 'write_down' }), { '@type': 'OpenAction:Action', pluginReference: 'oap_test.note', input: { to: 'a', ref: 'r' } }] });
  assert.deepEqual([a.body.status, a.body.results[0].action_name, a.body.results[0].attempts.length, a.body.results[1].action_name], ['completed', 'write_down', 2, 'oap_test.note']);
  assert.deepEqual(a.body.state.history.map((h) => h.status), ['failed', 'fallback', 'executed']);
  for (const [plugin, code] of [['oap_test.broken', 'plugin_error'], ['oap_test.missing', 'plugin_error'], ['oap_test.strict', 'output_validation_failed'], ['oap_test.endless', 'plugin_error']]) {
    const b = await execute({ manifest, open_action: { '@type': 'OpenAction:Action', pluginReference: plugin, input: { to: 'a', ref: 'r' } } });
    assert.equal(b.body.error?.errorCode, code, plugin);
  }
});

test('workflow: approvals', async () => {
  const manifest = await register('nodes');
  reset([], () => ({ json: { id: 'm' } }));
  const open_action = [node('look_up'), { '@type': 'OpenAction:HumanApproval', prompt: 'Send to {{ input.to }}?', action: node('send_mail', { to: '{{ state.lastResult.id }}', body: 'b' }) }, node('look_up')];
  const body = { manifest, open_action, requestId: `r${Math.random()}` };
  const a = await execute(body);
  assert.equal(a.status, 202);
  assert.equal(a.body.approval.prompt, 'Send to m?');
  assert.equal(serviceCalls.length, 1);
  const again = await execute(body);
  assert.deepEqual([again.status, again.body.approval.id, serviceCalls.length], [202, a.body.approval.id, 1]);
  const decide = (decision, more = {}) => execute({ open_action: a.body.resume, state: a.body.state, approval: { id: a.body.approval.id, decision }, ...more });
  assert.equal((await decide('maybe')).status, 400);
  assert.equal((await decide('approve', { state: {} })).body.errorCode, 'approval_changed');
  const both = await Promise.all([decide('approve'), decide('approve')]);
  assert.deepEqual(both.map((x) => x.status).sort(), [200, 409]);
  assert.equal(serviceCalls.filter((q) => q.url.includes('/send')).length, 1);
  const done = both.find((x) => x.status === 200).body;
  assert.deepEqual([done.status, done.results.length, done.state.history[1].approval.by], ['completed', 2, 'anonymous']);
  assert.equal((await execute(body)).body.errorCode, 'approval_used');
  const r = await execute({ manifest, open_action: open_action[1], state: { lastResult: { id: 'z' } } });
  const rejected = await execute({ open_action: r.body.resume, state: r.body.state, approval: { id: r.body.approval.id, decision: 'reject' } });
  assert.deepEqual([rejected.body.error.errorCode, rejected.body.state.history[0].status], ['human_rejected', 'rejected']);
});

test('workflow: plans and idempotent nodes', async () => {
  const manifest = await register('nodes');
  reset(['no', [], [node('look_up')]]);
  const p = await call('POST', '/plan', { manifest, user_id: 'U', goal: 'g' });
  judge('plan-answer', p.body);
  assert.equal(modelCalls.length, 3);
  reset(['a', 'b', 'c']);
  assert.equal((await call('POST', '/plan', { manifest, user_id: 'U', goal: 'g' })).body.errorCode, 'invalid_plan');
  reset([[node('look_up')]], (q) => (q.method === 'POST' ? { status: 500 } : { json: 1 }));
  const a = await execute({ manifest, goal: 'g', open_action: [node('write_down'), node('send_mail')] });
  assert.deepEqual([a.body.status, a.body.results.length, a.body.state.lastResult], ['completed', 2, 1]);
  reset([[]]);
  assert.equal((await execute({ manifest, goal: 'g', open_action: [node('write_down', {}, { conditional: 'false' }), node('look_up')] })).body.results.length, 1);
  reset([], () => ({ json: { id: 'q' } }));
  const key = `n${Math.random()}`;
  const n = { manifest, open_action: node('write_down', { a: 1 }, { requestId: key }) };
  await Promise.all([execute(n), execute(n)]);
  assert.equal(serviceCalls.length, 1);
  assert.equal((await execute({ manifest, open_action: node('write_down', { a: 2 }, { requestId: key }) })).body.error.errorCode, 'idempotency_conflict');
});

test('a session with conditionals, fallbacks and prompts of the workflow profile', async () => {
  const manifest = await register('nodes', (m) => {
    m.actions[0].conditional = 'observation.environment.kept == 1 and input.q > 1';
    m.actions[0].fallback_action = { name: 'write_down', input: { text: '{{ input.q }}' } };
    m.actions.push({ type: 'human_intervention', name: 'ask', prompt: 'Is it {{ input.x }}?', input_schema: {}, output_schema: {} });
    return m;
  });
  reset([action('look_up', { q: 1 }), action('look_up', { q: 2 }), action('ask', {}), action('ask', { x: 'so' })], (q) => (q.method === 'GET' ? { status: 500 } : { json: [1] }));
  const s = await open(manifest);
  assert.equal((await step(s)).body.result.status, 'skipped');
  const b = await step(s);
  assert.deepEqual([b.body.result.action_name, b.body.result.attempts.length, serviceCalls[1].body], ['write_down', 2, '{"text":2}']);
  assert.equal((await step(s)).body.result.error.errorCode, 'template_error');
  assert.equal((await step(s)).body.pending.prompt, 'Is it so?');
  const t = await close(s);
  assert.deepEqual(t.final_observation.environment.write_down, [1]);
  assert.equal(t.side_effects.length, 2);
});

test('the second article: the printed plan, in JSON-LD', async () => {
  const manifest = await register('article-b');
  const slots = [{ start: '2026-04-03T10:00:00Z', end: '2026-04-03T10:45:00Z' }];
  reset([], (q) => (q.url.includes('free-slots') ? { json: { slots } } : { json: { id: 'i1' } }));
  const plan = [
    node('query_calendar', { duration_minutes: 45 }),
    node('send_email', { to: 'alice@example.com', subject: 'Times', body: 'Free: {{ state.lastResult.availableSlots[0].start }}' }, { conditional: 'state.lastResult.availableSlots.length > 0' }),
    node('create_event', { title: 'Demo', start: '{{ state.lastResult.availableSlots[0].start }}', end: '{{ state.lastResult.availableSlots[0].end }}' }),
  ];
  const a = await execute({ manifest, open_action: plan });
  assert.equal(a.body.status, 'completed', JSON.stringify(a.body));
  assert.match(serviceCalls[0].url, /free-slots\?duration=45$/);
  assert.deepEqual(JSON.parse(serviceCalls[2].body), { title: 'Demo', ...slots[0] });
  assert.equal(serviceCalls[1].headers.authorization, 'Bearer eml-tok+en/8b2d4e01==');
});

test('plugins behind definitions, both spellings with one digest', async () => {
  const name = `p${Math.random().toString(36).slice(2)}`;
  const snake = { name, version: '1.0', actions: [{ type: 'plugin', name: 'oap_test_lookup', input_schema: { type: 'object' }, output_schema: {} }, { type: 'plugin', name: 'other', plugin_reference: 'oap_test.note', input_schema: {}, output_schema: {}, fallback_action: { name: 'oap_test_lookup', input: { ref: 'x' } } }] };
  const ld = {
    '@context': [{ p: 'https://open-action.example/2.0/vocab#', kind: '@type', tag: 'p:name' }], kind: 'p:Manifest', tag: name, 'p:version': '1.0',
    actions: [{ '@type': 'OpenAction:Action', name: 'oap_test_lookup', inputSchema: { type: 'object' }, outputSchema: {} },
      { kind: ['p:Action'], name: 'other', actionType: 'plugin', 'p:pluginReference': 'oap_test.note', 'https://open-action.example/2.0/vocab#inputSchema': {}, outputSchema: {}, fallbackAction: { '@type': 'p:Action', name: 'oap_test_lookup', input: { ref: 'x' } } }],
  };
  const one = await call('POST', '/manifests', snake);
  const two = await call('POST', '/manifests', ld);
  assert.deepEqual([one.status, two.status, two.body.digest, two.body.version], [201, 200, one.body.digest, '1.0.0'], JSON.stringify(two.body));
  reset([], (q) => (q.url.endsWith('free_slots') ? { json: { slots: [] } } : { status: 500 }));
  const a = await execute({ manifest: name, open_action: node('other', { to: 'a', ref: 'r' }) });
  assert.deepEqual([a.body.status, a.body.results[0].action_name, a.body.result], ['completed', 'oap_test_lookup', { slots: [] }]);
  judge('manifest-record', (await call('GET', `/manifests/${name}@1.0`)).body);
  reset([action('oap_test_lookup', { ref: 'r' })], () => ({ json: { slots: [1] } }));
  const s = await open(name);
  assert.deepEqual((await step(s)).body.result.output, { slots: [1] });
  assert.equal((await call('DELETE', `/manifests/${name}@1.0.0`)).status, 200);
  assert.equal((await step(s)).status, 503);
  reset([{ status: 500 }]);
  await register('nodes');
});

test('large states, redirects, closing while a question waits', async () => {
  const manifest = await register('nodes');
  reset([], () => ({ raw: JSON.stringify('x'.repeat(600000)) }));
  const a = await execute({ manifest, open_action: [node('look_up'), node('look_up', {})], state: { results: {}, pad: 'y'.repeat(300000) } });
  assert.deepEqual([a.status, a.body.status, a.body.error.errorCode, a.body.results[0].success, a.body.state.history[0].status], [200, 'failed', 'state_too_large', true, 'failed']);
  const b = await execute({ manifest, open_action: node('look_up'), state: { pad: 'y'.repeat(2000000) } });
  assert.equal(b.status, 413);
  const human = await register('human');
  reset([action('confirm', { question: 'q' })]);
  const s = await open(human);
  const asked = await step(s);
  const t = await close(s);
  assert.deepEqual([t.status, t.interventions[0].outcome, t.side_effects.length], ['awaiting_human', 'cancelled', 0]);
  assert.equal((await call('POST', `${s}/interventions/${asked.body.pending.id}`, { output: true })).status, 404);
  const echo = await register('echo');
  reset([action('lookup'), action('lookup')], (q) => (q.url.includes('again') ? { json: 1 } : { status: 302, headers: { Location: 'again?x=1' } }));
  const e = await open(echo);
  assert.equal((await step(e)).body.result.output, 1);
  serviceScript = () => ({ status: 302, headers: { Location: 'http://127.0.0.1:1/' } });
  assert.equal((await step(e)).body.result.error.errorCode, 'redirect_refused');
  assert.deepEqual((await close(e)).side_effects.map((x) => x.status), [302, 200, 302]);
});

test('a session closes after the step in flight, and an observation cannot outgrow its limit', async () => {
  const echo = await register('echo');
  reset([action('echo', { text: 'a' })], () => ({ raw: JSON.stringify({ big: 'x'.repeat(700000) }) }));
  const s = await open(echo);
  const [a, t] = await Promise.all([step(s), new Promise((r) => { setTimeout(r, 5); }).then(() => close(s))]);
  assert.equal(a.body.result.error.errorCode, 'observation_too_large');
  assert.equal(t.steps.length, 1);
  assert.deepEqual(t.final_observation.environment, observation.environment);
});
