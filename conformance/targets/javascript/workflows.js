/**
 * Workflows (workflows.md): `POST /execute` and `POST /plan`, the run of nodes over a state that the client owns, fallbacks,
 * new plans, questions to people. Between two calls only open questions and idempotent results are kept.
 */
import { randomUUID, randomBytes } from 'node:crypto';
import { byteLength, canonical, equal, has, isObject, mapStrings, numeric, obj, parse, sha256, stringify } from './json.js';
import { ApiError, errorObject } from './errors.js';
import { ExpressionError, evaluate, isTrue, resolveInput, resolveTemplate } from './expressions.js';
import { failed, mayFallBack, skipped, succeeded } from './actions.js';
import { contractOf } from './model.js';
import { BodyCheck, wantObject } from './requests.js';
import { isReference } from './manifest.js';
import { NodeCheck, Resolver } from './nodes.js';
import { asText, expressionFailure } from './sessions.js';

const STATE_BYTES = 1048576;
const PLAN_BYTES = 262144;
const MAX_NODES = 100;
const ATTEMPTS = 3;
const DAY = 24 * 3600 * 1000;
const MAX_QUESTIONS = 10000;
const MAX_KEPT_RESULTS = 50000;
const SUBJECT = 'anonymous';
/** Members of the first call that hold for the resumed one. */
const KEPT = ['manifest', 'intent', 'accessControl', 'seed', 'timestamp', 'goal', 'replan_max', 'prune'];

const now = () => new Date().toISOString();
const sizeOf = (value) => byteLength(stringify(value));

export class Workflows {
  constructor({ registry, model, actions, redact }) {
    Object.assign(this, { registry, model, actions, redact });
    this.questions = new Map();
    this.keptResults = new Map();
    this.checked = new WeakMap();
  }

  // --- checks before anything runs ---

  checkCommon(body, check) {
    const members = new BodyCheck(body);
    members.text(body, 'user_id', '', { required: true, most: 256 });
    members.text(body, 'intent', '');
    if (has(body, 'manifest') && !(typeof body.manifest === 'string' && isReference(body.manifest))) members.add('/manifest', typeof body.manifest === 'string' ? 'pattern' : 'type', 'write name@version, or a name');
    if (members.object(body, 'state', '')) {
      members.object(body.state, 'results', '/state');
      if (has(body.state, 'history') && !Array.isArray(body.state.history)) members.add('/state/history', 'type', 'history is an array');
    }
    for (const name of ['access_control', 'request_id']) if (has(body, name)) members.add(`/${name}`, 'mixed_spelling', 'this member is written in camelCase');
    const versions = ['protocolVersion', 'protocol_version'].filter((n) => has(body, n));
    for (const n of versions) check.version(body[n], [n]);
    if (versions.length === 2 && !equal(body.protocolVersion, body.protocol_version)) members.add('/protocol_version', 'const', 'the two spellings of the version differ');
    check.violations.push(...members.violations);
  }

  /** Checks 1 to 3 of section 6: those that come before a stored answer is looked up. */
  checkExecute(given) {
    const body = wantObject(given);
    const check = new NodeCheck();
    this.checkCommon(body, check);
    const members = new BodyCheck(body);
    members.text(body, 'goal', '');
    members.integer(body, 'seed', 0, Number.MAX_SAFE_INTEGER);
    members.integer(body, 'replan_max', 0, 3);
    members.integer(body, 'prune', 0, Number.MAX_SAFE_INTEGER);
    members.dateTime(body, 'timestamp', '');
    if (has(body, 'requestId') && !(typeof body.requestId === 'string' && /^[ -~]{1,255}$/.test(body.requestId))) members.add('/requestId', 'pattern', 'a key has 1 to 255 printable ASCII characters');
    if (members.object(body, 'approval', '')) {
      members.text(body.approval, 'id', '/approval', { required: true });
      members.text(body.approval, 'decision', '/approval', { required: true });
      if (typeof body.approval.decision === 'string' && !['approve', 'reject'].includes(body.approval.decision)) members.add('/approval/decision', 'enum', 'decide approve or reject');
    }
    check.violations.push(...members.violations);
    if (has(body, 'accessControl')) check.accessControl(body.accessControl, ['accessControl'], true);
    const { nodes, single } = this.readNodes(body, check);
    check.refuse();
    this.checked.set(body, { nodes, single });
  }

  readNodes(body, check) {
    if (!has(body, 'open_action')) { check.report([], 'required', 'open_action is missing'); return {}; }
    const given = body.open_action;
    if (!Array.isArray(given)) {
      if (!isObject(given)) { check.report(['open_action'], 'type', 'open_action is a node or an array of nodes'); return {}; }
      return { nodes: [check.node(given, ['open_action'])], single: true };
    }
    if (given.length === 0) check.report(['open_action'], 'minItems', 'there is no node');
    if (given.length > MAX_NODES) { check.report(['open_action'], 'maxItems', `there are more than ${MAX_NODES} nodes`); return {}; }
    return { nodes: given.map((n, i) => check.node(n, ['open_action', i])), single: false };
  }

  /** Check 4 for manifest and intent. */
  resolver(body) {
    const manifest = this.registry.select(body.manifest);
    if (has(body, 'intent') && !manifest.intents.has(body.intent)) throw new ApiError('intent_not_found', 'the manifest declares no such intent');
    return new Resolver(manifest, has(body, 'intent') ? manifest.intents.get(body.intent) : null, this.actions.plugins);
  }

  // --- POST /execute ---

  /** @returns {Promise<[status, answer, extra?]>} */
  async execute(body, stopping) {
    const { nodes, single } = this.checked.get(body);
    if (has(body, 'approval')) return this.resume(body, stopping);
    const resolver = this.resolver(body);
    const queue = resolver.all(nodes);
    const state = body.state ?? obj();
    if (sizeOf(state) > STATE_BYTES) throw new ApiError('state_too_large', 'the state has more than 1 MiB');
    const kept = obj();
    for (const name of KEPT) if (has(body, name)) kept[name] = body[name];
    const run = this.newRun(kept, state, resolver, stopping);
    const [status, answer, extra] = await this.go(run, queue);
    if (single && status === 200) answer.result = run.results[0]?.output ?? null;
    return [status, answer, extra];
  }

  newRun(kept, state, resolver, stopping, replans = 0) {
    return {
      id: randomUUID(), kept, state, resolver, stopping, replans, results: [], executed: false, sent: 0,
      goal: kept.goal, replanMax: Number(numeric(kept.replan_max ?? 1)), prune: has(kept, 'prune') ? Number(numeric(kept.prune)) : null,
    };
  }

  /** Runs the nodes one after another until they end, fail, or a person is asked. */
  async go(run, queue) {
    while (queue.length > 0) {
      if (run.stopping()) {
        const error = errorObject('capacity_exceeded', 'the runtime is shutting down');
        if (!run.results.length) throw new ApiError('capacity_exceeded', error.message);
        return this.failure(run, error);
      }
      const node = queue.shift();
      const outcome = await this.runNode(run, node, queue);
      if (outcome.question) return outcome.question;
      if (outcome.end) return this.failure(run, outcome.error);
      if (!outcome.error && !outcome.skipped) continue;
      if (run.goal !== undefined && run.replans < run.replanMax) {
        run.replans++;
        const plan = await this.newPlan(run);
        if (plan.error) return this.failure(run, plan.error);
        if (plan.nodes.length === 0 && outcome.error) return this.failure(run, outcome.error);
        queue = plan.nodes;
      } else if (outcome.error) return this.failure(run, outcome.error);
    }
    return [200, { protocolVersion: '2.0', state: run.state, results: run.results, status: 'completed' }];
  }

  failure(run, error) {
    return [200, { protocolVersion: '2.0', state: run.state, results: run.results, status: 'failed', error, failed_index: Math.max(0, run.results.length - 1) }];
  }

  // --- one node ---

  async runNode(run, node, rest) {
    const prepared = this.prepare(run.state, node, node.input);
    if (prepared.skipped) return this.skip(run, node, prepared.undefinedPaths);
    if (prepared.error) return this.commitFailure(run, failed(node.label, prepared.error), [entry(node.label, 'failed', { error: prepared.error })]);
    if (node.prompt) return this.ask(run, node, prepared, rest);
    return this.finish(run, await this.performOnce(run, node, prepared));
  }

  /** Conditional, templates, defaults and schema: everything before the execution. */
  prepare(state, node, given) {
    const roots = { state, input: given };
    try {
      for (const conditional of node.conditionals) {
        const { value, undefinedPaths } = evaluate(conditional, roots);
        if (!isTrue(value)) return { skipped: true, undefinedPaths };
      }
    } catch (error) {
      return { error: expressionFailure('conditional_error', error) };
    }
    let input;
    try { input = mapStrings(resolveInput(given, roots), this.redact); } catch (error) {
      return { error: expressionFailure('template_error', error) };
    }
    return this.fillAndCheck(state, node, input);
  }

  fillAndCheck(state, node, input) {
    const defaulted = [];
    const required = isObject(node.action.definition.input_schema) ? node.action.definition.input_schema.required : undefined;
    if (Array.isArray(required) && isObject(state.lastResult)) {
      for (const name of required) {
        if (has(input, name) || !has(state.lastResult, name)) continue;
        if (!defaulted.length) input = obj(input);
        input[name] = state.lastResult[name];
        defaulted.push(name);
      }
    }
    const violations = node.action.input.check(input);
    if (violations) return { error: errorObject('input_validation_failed', `the input of ${node.label} does not satisfy its inputSchema`, { violations }) };
    return { input, defaulted };
  }

  /** Executes a node with its fallback: the result and the entries for the history. */
  async perform(run, node, { input, defaulted }, approval) {
    const attempt = async (target, label, args) => {
      run.executed = true;
      run.sent++;
      const outcome = await this.actions.run(target, args, { key: `${run.id}/${run.sent}` });
      return outcome.error ? failed(label, outcome.error) : succeeded(label, outcome.output);
    };
    const first = await attempt(node.action, node.label, input);
    const more = { ...(defaulted.length ? { defaulted } : {}), ...(approval ? { approval } : {}) };
    const firstEntry = first.success ? entry(node.label, 'executed', { result: first.output, ...more }) : entry(node.label, 'failed', { error: first.error, ...more });
    const fallback = !first.success && node.fallback && mayFallBack(first.error) ? this.prepareFallback(run.state, node.fallback, input) : null;
    if (!fallback) return { result: first, entries: [firstEntry] };
    const { label } = node.fallback;
    const second = await attempt(node.fallback.action, label, fallback.input);
    const filled = { fallback_of: node.label, ...(fallback.defaulted.length ? { defaulted: fallback.defaulted } : {}), ...(approval ? { approval } : {}) };
    const secondEntry = second.success ? entry(label, 'fallback', { result: second.output, ...filled }) : entry(label, 'failed', { error: second.error, ...filled });
    return { result: { ...second, attempts: [first, second] }, entries: [firstEntry, secondEntry] };
  }

  /** A fallback gets the first action's resolved input unless it has one of its own; null if it is not to be executed. */
  prepareFallback(state, fallback, input) {
    const own = fallback.ownInput !== undefined;
    if (own) {
      const prepared = this.prepare(state, fallback, fallback.ownInput);
      return prepared.input ? prepared : null;
    }
    try {
      for (const c of fallback.conditionals) if (!isTrue(evaluate(c, { state, input }).value)) return null;
    } catch (error) {
      if (error instanceof ExpressionError) return null;
      throw error;
    }
    // What the first action got is taken literally: its templates are resolved already.
    const prepared = this.fillAndCheck(state, fallback, input);
    return prepared.input ? prepared : null;
  }

  // --- idempotent nodes (section 14) ---

  printOf(run, node, input) {
    return sha256(canonical([node.node.pluginReference ?? run.resolver.manifest.digest, node.label, input]));
  }

  keptFor(run, node, input) {
    if (node.requestId === undefined) return undefined;
    const kept = this.keptResults.get(node.requestId);
    if (!kept || Date.now() - kept.at > DAY) return undefined;
    return kept.print === this.printOf(run, node, input) ? kept : { conflict: true };
  }

  async performOnce(run, node, prepared, approval) {
    if (node.requestId === undefined) return this.perform(run, node, prepared, approval);
    for (;;) {
      const kept = this.keptFor(run, node, prepared.input);
      if (!kept) break;
      if (kept.conflict) {
        const error = errorObject('idempotency_conflict', 'the key of this node was used for another action or input');
        return { result: failed(node.label, error), entries: [entry(node.label, 'failed', { error })] };
      }
      const done = await kept.running;
      if (done) return { result: done.result, entries: done.entries.map((e) => ({ ...e, at: now() })) };
    }
    let settle;
    const kept = { print: this.printOf(run, node, prepared.input), at: Date.now(), running: new Promise((resolve) => { settle = resolve; }) };
    this.keptResults.set(node.requestId, kept);
    let done = null;
    try {
      const performed = await this.perform(run, node, prepared, approval);
      if (performed.result.success) done = performed;
      return performed;
    } finally {
      if (!done) this.keptResults.delete(node.requestId);
      settle(done);
      if (this.keptResults.size > MAX_KEPT_RESULTS) this.keptResults.delete(this.keptResults.keys().next().value);
    }
  }

  // --- the state (section 8) ---

  withHistory(run, state, entries) {
    let history = [...(state.history ?? []), ...entries];
    if (run.prune !== null) history = run.prune === 0 ? [] : history.slice(-run.prune);
    return obj({ ...state, history });
  }

  tooLarge(run, state) { return sizeOf(state) > STATE_BYTES ? errorObject('state_too_large', 'the state would have more than 1 MiB') : null; }

  skip(run, node, undefinedPaths) {
    const result = skipped(node.label);
    const state = this.withHistory(run, run.state, [entry(node.label, 'skipped', undefinedPaths.length ? { undefined: undefinedPaths } : {})]);
    const error = this.tooLarge(run, state);
    if (error && !run.executed) throw new ApiError('state_too_large', error.message);
    run.results.push(result);
    if (error) return { end: true, error };
    run.state = state;
    return { skipped: true };
  }

  finish(run, { result, entries }) {
    if (!result.success) return this.commitFailure(run, result, entries);
    const { output, action_name: name } = result;
    const { lastResult } = run.state;
    let state = obj(run.state);
    state.lastResult = isObject(output) && (lastResult === undefined || isObject(lastResult)) ? obj({ ...lastResult, ...output }) : output;
    state.results = obj({ ...run.state.results, [name]: output });
    state = this.withHistory(run, state, entries);
    const error = this.tooLarge(run, state);
    if (error && !run.executed) throw new ApiError('state_too_large', error.message);
    run.results.push(result);
    if (!error) {
      run.state = state;
      return {};
    }
    const noted = this.withHistory(run, run.state, [entry(name, 'failed', { error })]);
    if (!this.tooLarge(run, noted)) run.state = noted;
    return { end: true, error };
  }

  commitFailure(run, result, entries) {
    run.results.push(result);
    const state = this.withHistory(run, run.state, entries);
    if (!this.tooLarge(run, state)) run.state = state;
    return { error: result.error };
  }

  // --- questions (section 12) ---

  ask(run, node, prepared, rest) {
    let prompt;
    try {
      prompt = this.redact(asText(resolveTemplate(node.prompt, { state: run.state, input: prepared.input })));
      if (prompt === '') throw new ExpressionError('undefined', 'the prompt is empty');
    } catch (error) {
      const failure = expressionFailure('template_error', error);
      return this.commitFailure(run, failed(node.label, failure), [entry(node.label, 'failed', { error: failure })]);
    }
    if (!this.makeRoom()) {
      const error = errorObject('capacity_exceeded', 'too many questions are open');
      if (!run.executed) throw new ApiError('capacity_exceeded', error.message);
      return this.commitFailure(run, failed(node.label, error), [entry(node.label, 'failed', { error })]);
    }
    const id = `ap_${randomBytes(16).toString('hex')}`;
    const expires = Date.now() + DAY;
    const resume = [node.raw, ...rest.map((n) => n.raw)];
    this.questions.set(id, {
      status: 'open', expires, node, prepared, rest: [...rest], kept: run.kept, resolver: run.resolver, replans: run.replans,
      state: run.state, resumeText: canonical(resume), stateText: canonical(run.state),
    });
    const answer = {
      protocolVersion: '2.0', status: 'awaiting_approval',
      approval: { id, prompt, action: this.shownAction(run.state, node, prepared.input), expires_at: new Date(expires).toISOString() },
      results: run.results, state: run.state, resume,
    };
    const repeat = () => {
      const question = this.questions.get(id);
      if (!question) return false;
      this.mustBeOpen(question);
      return true;
    };
    return { question: [202, answer, { repeat }] };
  }

  /** What will run, as a person sees it. */
  shownAction(state, node, input) {
    const { pluginReference, name } = node.node;
    const action = obj({ '@type': 'OpenAction:Action', name, pluginReference, input });
    if (node.fallback) {
      const { ownInput, raw } = node.fallback;
      action.fallbackAction = raw;
      if (ownInput !== undefined && isObject(raw)) {
        try { action.fallbackAction = obj({ ...raw, input: mapStrings(resolveInput(ownInput, { state, input: ownInput }), this.redact) }); } catch { /* it would not run; shown as given */ }
      }
    }
    return action;
  }

  /** Room for one more question. One subject alone may have half of what is kept, and without auth there is but one. */
  makeRoom() {
    for (const [id, q] of this.questions) if (Date.now() > q.expires + DAY || (this.questions.size >= MAX_QUESTIONS && q.status === 'decided')) this.questions.delete(id);
    let open = 0;
    for (const q of this.questions.values()) if (q.status === 'open') open++;
    return open < MAX_QUESTIONS / 2;
  }

  mustBeOpen(question) {
    if (question.status !== 'open') throw new ApiError('approval_used', 'the question has been decided already');
    if (Date.now() > question.expires) throw new ApiError('approval_expired', 'the decision comes too late');
  }

  async resume(body, stopping) {
    const { id, decision } = body.approval;
    const question = this.questions.get(id);
    if (!question) throw new ApiError('approval_not_found', 'no question has this id');
    this.mustBeOpen(question);
    const changed = KEPT.some((name) => has(body, name) && !(has(question.kept, name) ? equal(body[name], question.kept[name]) : name === 'replan_max' && equal(body[name], 1)));
    if (changed || canonical(body.open_action) !== question.resumeText || canonical(body.state ?? obj()) !== question.stateText) {
      throw new ApiError('approval_changed', 'the call is not the one that was asked about');
    }
    question.status = 'decided';
    const run = this.newRun(question.kept, question.state, question.resolver, stopping, question.replans);
    const approval = { id, by: SUBJECT };
    try {
      const { node, prepared } = question;
      if (decision === 'reject') {
        const error = errorObject('human_rejected', 'the person refused to approve');
        this.commitFailure(run, failed(node.label, error), [entry(node.label, 'rejected', { error, approval })]);
        return this.failure(run, error);
      }
      if (stopping()) throw new ApiError('capacity_exceeded', 'the runtime is shutting down');
      const outcome = this.finish(run, await this.performOnce(run, node, prepared, approval));
      if (outcome.end) return this.failure(run, outcome.error);
      if (outcome.error) return await this.afterFailure(run, outcome.error);
      return await this.go(run, [...question.rest]);
    } catch (error) {
      // A decision that is answered with an error leaves the question open, unless something has been done already.
      if (!run.executed) question.status = 'open';
      throw error;
    }
  }

  /** An approved action that failed leads to a new plan like any other failure. */
  async afterFailure(run, error) {
    if (run.goal === undefined || run.replans >= run.replanMax) return this.failure(run, error);
    run.replans++;
    const plan = await this.newPlan(run);
    if (plan.error || plan.nodes.length === 0) return this.failure(run, plan.error ?? error);
    return this.go(run, plan.nodes);
  }

  // --- plans of the model (sections 4.2 and 11) ---

  async newPlan(run) {
    const { raw, resolved, error } = await this.askForNodes(run.resolver, run.goal, run.state, true);
    return error ? { error } : { nodes: resolved, raw };
  }

  /** Asks up to three times: {raw, resolved}, or {error, retryAfter} with invalid_plan or llm_unavailable. */
  async askForNodes(resolver, goal, state, mayBeEmpty) {
    const refusals = [];
    const contract = contractOf(resolver.contractActions());
    while (refusals.length < ATTEMPTS) {
      const { sent } = this.model.workflowMessages(contract, goal, state, refusals, mayBeEmpty);
      const answer = await this.model.ask(sent);
      if (answer.error) return answer;
      const plan = answer.finishReason === 'length'
        ? { error: errorObject('invalid_plan', 'the reply was cut off at its longest length; send a shorter plan') }
        : this.readPlan(answer.reply, resolver, mayBeEmpty);
      if (!plan.error) return plan;
      refusals.push({ reply: answer.reply, errors: [plan.error] });
    }
    return { error: errorObject('invalid_plan', 'the model gave no valid plan in three attempts') };
  }

  readPlan(reply, resolver, mayBeEmpty) {
    const invalid = (message) => ({ error: errorObject('invalid_plan', message) });
    if (reply === null || reply.trim() === '') return invalid('the reply is empty');
    if (byteLength(reply) > PLAN_BYTES) return invalid('the reply has more than 256 KiB');
    const fence = /^[ \t\r\n]*```[A-Za-z]*[ \t]*\r?\n([\s\S]*?)\r?\n[ \t]*```[ \t\r\n]*$/.exec(reply);
    let raw;
    try { raw = mapStrings(parse(fence ? fence[1] : reply), this.redact); } catch (error) { return invalid(`the reply is not one JSON array: ${error.message}`); }
    if (!Array.isArray(raw) || raw.length > MAX_NODES || (raw.length === 0 && !mayBeEmpty)) return invalid(`the reply is not one JSON array of 1 to ${MAX_NODES} nodes`);
    try {
      const check = new NodeCheck();
      const nodes = raw.map((n, i) => check.node(n, [i]));
      check.refuse();
      return { raw, resolved: resolver.afresh().all(nodes) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { error: error.error };
    }
  }

  async plan(given) {
    const body = wantObject(given);
    const check = new NodeCheck();
    this.checkCommon(body, check);
    const members = new BodyCheck(body);
    members.text(body, 'goal', '', { required: true });
    check.violations.push(...members.violations);
    if (has(body, 'accessControl')) check.accessControl(body.accessControl, ['accessControl'], true);
    check.refuse();
    const resolver = this.resolver(body);
    const state = body.state ?? obj();
    if (sizeOf(state) > STATE_BYTES) throw new ApiError('state_too_large', 'the state has more than 1 MiB');
    const { raw, error, retryAfter } = await this.askForNodes(resolver, body.goal, state, false);
    if (error) {
      const headers = retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) };
      throw new ApiError(error.errorCode, error.message, { headers });
    }
    return { protocolVersion: '2.0', plan: raw };
  }
}

/** An entry of the history; its members in the order of the table. */
function entry(action, status, more) {
  return obj({ action, status, ...more, at: now() });
}
