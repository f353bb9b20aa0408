/**
 * Sessions: their life, the step call, people, and the transcript (sessions.md, steps.md, plans.md, observations.md,
 * human.md, transcripts.md). The calls of one session run one after another; those of two never wait for each other.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { byteLength, has, isObject, lookUp, mapStrings, numeric, obj, parse, putAt, splitPointer, stringify } from './json.js';
import { ApiError, errorObject, invalidRequest, violation } from './errors.js';
import { ExpressionError, evaluate, isTrue, parseExpression, parseTemplate, resolveInput, resolveTemplate } from './expressions.js';
import { failed, mayFallBack, skipped, succeeded } from './actions.js';
import { contractOf } from './model.js';
import { BodyCheck, checkVersion, wantObject } from './requests.js';

const OBSERVATION_BYTES = 1048576;
const PLAN_BYTES = 262144;
const ATTEMPTS = 3;
const MAX_SESSIONS = 20000;
const MAX_WAITING = 256;
/** What one session may keep for its transcript, and all closed ones together, in characters. */
const MAX_RECORD = 256 * 1048576;
const MAX_CLOSED = 512 * 1048576;
const DAY = 24 * 3600 * 1000;
/** Seconds that a Retry-After of the model is heeded for. */
const LONGEST_REST = 3600;
const FINISHED = new Set(['completed', 'max_steps_reached', 'failed', 'expired']);

const now = () => new Date().toISOString();

// --- plans ----------------------------------------------------------------------------------------------------------------

const refusal = (code, message, details) => ({ error: errorObject(code, message, details) });

/** A reply's text as a plan by its form alone: {plan} or {error}. */
export function readPlan(reply) {
  if (reply === null || /^[ \t\r\n]*$/.test(reply)) return refusal('invalid_plan', 'the reply is empty');
  if (byteLength(reply) > PLAN_BYTES) return refusal('invalid_plan', 'the reply has more than 256 KiB');
  const fence = /^[ \t\r\n]*```[A-Za-z]*[ \t]*\r?\n([\s\S]*?)\r?\n[ \t]*```[ \t\r\n]*$/.exec(reply);
  let value;
  try { value = parse(fence ? fence[1] : reply); } catch (error) { return refusal('invalid_plan', `the reply is not one JSON object: ${error.message}`); }
  return checkForm(value);
}

export function checkForm(plan) {
  if (!isObject(plan)) return refusal('invalid_plan', 'the reply is not one JSON object');
  if (has(plan, 'summary') && typeof plan.summary !== 'string') return refusal('invalid_plan', 'summary has to be a text');
  if (has(plan, 'finished')) {
    if (plan.finished !== true || has(plan, 'action') || has(plan, 'args')) return refusal('invalid_plan', 'a finish has finished: true, and neither action nor args');
    return { plan };
  }
  if (typeof plan.action !== 'string' || !isObject(plan.args)) return refusal('invalid_plan', 'a plan has an action, a text, and args, an object; or finished: true');
  return { plan };
}

// --- observations ---------------------------------------------------------------------------------------------------------

/** The environment with an output laid into it: {environment} or {error} (observations.md 3). */
export function mergeOutput(environment, definition, output) {
  if (has(definition, 'result_path')) {
    const parts = typeof definition.result_path === 'string' ? { [definition.result_path]: '' } : definition.result_path;
    let next = environment;
    for (const target of Object.keys(parts)) {
      const value = lookUp(output, parts[target]);
      if (value === undefined) {
        return refusal('output_validation_failed', 'the output lacks what result_path names', { violations: [violation(parts[target], 'result_path', 'there is nothing at this place of the output')] });
      }
      next = putAt(next, splitPointer(target).slice(1), value);
      if (next === undefined) return refusal('result_path_blocked', 'a target of result_path leads through an array or a scalar');
    }
    return { environment: next };
  }
  const next = obj(environment);
  if (isObject(output)) Object.assign(next, output);
  else next[definition.name] = output;
  return { environment: next };
}

// --- sessions -------------------------------------------------------------------------------------------------------------

class Session {
  constructor(body, manifest) {
    this.id = randomUUID();
    this.manifest = manifest;
    this.goal = body.goal;
    this.flags = body.flags;
    this.seed = body.seed;
    this.maxSteps = Number(numeric(body.max_steps ?? 10));
    this.initial = body.observation;
    this.observation = body.observation;
    this.status = 'active';
    this.startedAt = now();
    this.touched = Date.now();
    this.restsUntil = 0;
    this.turns = [];
    this.steps = [];
    this.interventions = [];
    this.effects = [];
    this.contracts = obj();
    this.questions = new Map();
    this.pending = null;
    this.recorded = 0;
    this.tail = Promise.resolve();
    this.waiting = 0;
  }

  get stepsDone() { return this.steps.length; }

  /** Runs a call when those before it have ended. */
  inTurn(task) {
    if (this.waiting >= MAX_WAITING) throw new ApiError('conflict', 'too many calls wait for this session');
    this.waiting++;
    this.touched = Date.now();
    const run = this.tail.then(task).finally(() => { this.waiting--; this.touched = Date.now(); });
    this.tail = run.catch(() => {});
    return run;
  }

  answer(result) {
    const answer = { result, steps_done: this.stepsDone, status: this.status, completed: this.status === 'completed' };
    if (this.pending) answer.pending = this.pending.shown;
    return answer;
  }
}

export class Sessions {
  constructor({ registry, model, actions, redact }) {
    Object.assign(this, { registry, model, actions, redact });
    this.open = new Map();
    this.closed = new Map();
    this.closedSize = 0;
    setInterval(() => this.sweep(), 600000).unref();
  }

  /** Sessions left alone for a day expire, and are forgotten after another one. */
  sweep() {
    for (const [id, s] of this.open) {
      const idle = Date.now() - s.touched;
      if (s.waiting > 0 || idle < DAY) continue;
      if (idle > 2 * DAY) this.open.delete(id);
      else if (!FINISHED.has(s.status)) { s.pending = null; s.status = 'expired'; }
    }
    for (const [id, c] of this.closed) if (Date.now() - c.at > DAY) this.forget(id);
  }

  forget(id) {
    this.closedSize -= this.closed.get(id).text.length;
    this.closed.delete(id);
  }

  find(id) {
    const session = this.open.get(id);
    if (!session) throw new ApiError('session_not_found', 'no session has this id');
    return session;
  }

  create(given) {
    const body = wantObject(given);
    const check = new BodyCheck(body);
    if (check.object(body, 'goal', '', { required: true })) {
      check.text(body.goal, 'description', '/goal', { required: true });
      check.text(body.goal, 'intent', '/goal');
    }
    if (check.object(body, 'observation', '', { required: true })) check.observation(body.observation, '/observation');
    check.integer(body, 'max_steps', 1, 10000);
    check.integer(body, 'seed', 0, Number.MAX_SAFE_INTEGER);
    check.text(body, 'manifest', '');
    if (has(body, 'flags')) {
      if (!Array.isArray(body.flags)) check.add('/flags', 'type', 'flags has to be an array');
      else body.flags.forEach((f, i) => { if (typeof f !== 'string' || f === '') check.add(`/flags/${i}`, typeof f === 'string' ? 'minLength' : 'type', 'a flag is a text'); });
    }
    check.refuse();
    checkVersion(body);
    const manifest = this.registry.select(body.manifest);
    if (has(body.goal, 'intent') && !manifest.intents.has(body.goal.intent)) throw new ApiError('intent_not_found', 'the manifest declares no such intent');
    if (this.open.size >= MAX_SESSIONS) throw new ApiError('capacity_exceeded', 'there are too many open sessions');
    const session = new Session(body, manifest);
    this.open.set(session.id, session);
    return { session_id: session.id, status: session.status, manifest: identity(manifest), protocol_version: '2.0' };
  }

  read(id) {
    const s = this.find(id);
    s.touched = Date.now();
    const answer = { session_id: s.id, status: s.status, steps_done: s.stepsDone, max_steps: s.maxSteps, manifest: identity(s.manifest), observation: s.observation };
    if (s.pending) answer.pending = s.pending.shown;
    return answer;
  }

  // --- what a session may use ---

  /** Null, or why the session may not use the action. */
  notAllowed(session, name) {
    const action = session.manifest.actions.get(name);
    const undeclared = () => errorObject('undeclared_action', 'there is no action of this name that the session may use');
    if (!action) return undeclared();
    const { intent } = session.goal;
    if (intent !== undefined && !session.manifest.intents.get(intent).has(name)) return undeclared();
    const flag = action.definition.feature_flag;
    if (flag !== undefined && !(session.flags ?? []).includes(flag)) return undeclared();
    // Without the profile `access` nobody holds a scope.
    if (this.scopesOf(action).length) return errorObject('insufficient_scope', 'the action needs scopes that nobody holds here');
    return null;
  }

  scopesOf({ definition, plugin }) {
    if (definition.type !== 'plugin') return [];
    return this.actions.plugins.get(plugin ?? definition.plugin_reference ?? definition.name)?.scopes ?? [];
  }

  contract(session) {
    session.contractText ??= contractOf([...session.manifest.actions.values()].filter((a) => !this.notAllowed(session, a.name)));
    return session.contractText;
  }

  /** A plan of the right form against the contract: null or an error object. */
  checkPlan(session, plan) {
    if (plan.finished === true) return null;
    const refused = this.notAllowed(session, plan.action);
    if (refused) return refused;
    const violations = session.manifest.actions.get(plan.action).input.check(plan.args);
    return violations && errorObject('input_validation_failed', `the arguments of ${plan.action} do not satisfy its input_schema`, { violations });
  }

  // --- the step call ---

  step(id) {
    const session = this.find(id);
    return session.inTurn(async () => {
      if (session.status === 'closed') throw new ApiError('session_not_found', 'no session has this id');
      if (session.status === 'awaiting_human') throw new ApiError('awaiting_human', 'a question waits for a person');
      if (FINISHED.has(session.status)) throw new ApiError('session_finished', `the session is ${session.status}`);
      if (session.stepsDone >= session.maxSteps) {
        session.status = 'max_steps_reached';
        return session.answer(null);
      }
      if (session.recorded > MAX_RECORD) throw new ApiError('capacity_exceeded', 'the record of the session is full');
      const left = Math.ceil((session.restsUntil - Date.now()) / 1000);
      if (left > 0) throw new ApiError('llm_unavailable', 'the model asked to be left alone for some time', { headers: { 'Retry-After': String(left) } });
      const startedAt = now();
      const shown = obj({ ...session.observation, timestamp: startedAt });
      const { plan, turn, refusals } = await this.askForPlan(session, shown);
      if (!plan) return this.askPerson(session, { kind: 'invalid_plan', prompt: 'The model gave no valid plan. What should be done?', refusals }, { startedAt, shown });
      return this.carryOut(session, plan, { startedAt, shown, turn });
    });
  }

  async askForPlan(session, shown) {
    const refusals = [];
    while (refusals.length < ATTEMPTS) {
      const messages = this.model.sessionMessages(this.contract(session), session.goal.description, shown, refusals);
      const turn = {
        turn_number: session.turns.length + 1, at: now(), messages: messages.recorded, contract: messages.digest,
        reply: null, usage: null, finish_reason: null, refused: null, error: null,
      };
      session.contracts[messages.digest] = messages.contract;
      session.turns.push(turn);
      const answer = await this.model.ask(messages.sent);
      session.recorded += messages.recorded.reduce((n, m) => n + m.content.length, answer.reply?.length ?? 0);
      if (answer.error) {
        turn.error = answer.error;
        session.restsUntil = Date.now() + Math.min(answer.retryAfter ?? 0, LONGEST_REST) * 1000;
        const headers = answer.retryAfter === undefined ? {} : { 'Retry-After': String(answer.retryAfter) };
        throw new ApiError('llm_unavailable', answer.error.message, { headers });
      }
      Object.assign(turn, { reply: answer.reply, usage: answer.usage, finish_reason: answer.finishReason });
      const { plan, error } = answer.finishReason === 'length'
        ? { error: errorObject('invalid_plan', 'the reply was cut off at its longest length; send a shorter plan') }
        : readPlan(answer.reply);
      const refused = error ?? this.checkPlan(session, plan);
      if (!refused) return { plan: mapStrings(plan, this.redact), turn };
      turn.refused = [refused];
      refusals.push({ reply: answer.reply, errors: [refused] });
    }
    return { refusals };
  }

  /** An accepted plan, of the model or of a person. */
  async carryOut(session, plan, context) {
    if (plan.finished === true) {
      session.status = 'completed';
      return session.answer(null);
    }
    const action = session.manifest.actions.get(plan.action);
    const { definition } = action;
    const roots = { observation: context.shown, input: plan.args };
    const step = { ...context, plan, action };
    if (action.conditional) {
      try {
        if (!isTrue(evaluate(action.conditional, roots).value)) return this.count(session, step, skipped(action.name));
      } catch (error) {
        return this.count(session, step, failed(action.name, expressionFailure('conditional_error', error)));
      }
    }
    if (definition.type === 'human_intervention') {
      let prompt;
      try { prompt = asText(resolveTemplate(parseTemplate(definition.prompt), roots)); } catch (error) {
        return this.count(session, step, failed(action.name, expressionFailure('template_error', error)));
      }
      if (prompt === '') return this.count(session, step, failed(action.name, errorObject('template_error', 'the prompt is empty', { reason: 'undefined' })));
      return this.askPerson(session, {
        kind: 'human_intervention', prompt: this.redact(prompt), action_name: action.name, args: plan.args, output_schema: definition.output_schema,
      }, step);
    }
    const effects = [];
    const ran = await this.execute(session, action, plan.args, roots, effects);
    return this.count(session, { ...step, action: ran.action, effects }, ran.result);
  }

  /** Runs an action, and the fallback in its place where it failed for a reason outside. */
  async execute(session, action, args, roots, effects) {
    const key = `${session.id}/${session.stepsDone + 1}`;
    const first = await this.actions.run(action, args, { key: `${key}/1`, effects });
    const result = toResult(action.name, first);
    if (!first.error || !mayFallBack(first.error)) return { action, result };
    const fallback = this.fallbackOf(session, action, args, roots);
    if (!fallback) return { action, result };
    const second = await this.actions.run(fallback.action, fallback.input, { key: `${key}/2`, effects });
    const ran = toResult(fallback.name, second);
    return { action: { ...fallback.action, name: fallback.name }, result: { ...ran, attempts: [result, ran] } };
  }

  /** The fallback of a definition with its checked input, or null if it is not to be executed. */
  fallbackOf(session, action, args, roots) {
    const given = action.definition.fallback_action;
    if (given === undefined) return null;
    const node = typeof given === 'string' ? { name: given } : given;
    let target;
    if (has(node, 'plugin_reference')) {
      target = this.actions.plugins.get(node.plugin_reference);
      const { intent } = session.goal;
      if (!target || target.scopes.length || (intent !== undefined && !session.manifest.intents.get(intent).has(node.plugin_reference))) return null;
    } else {
      if (this.notAllowed(session, node.name)) return null;
      target = session.manifest.actions.get(node.name);
    }
    if (target.definition.type === 'human_intervention') return null;
    try {
      for (const conditional of [target.conditional, node.conditional && parseExpression(node.conditional)]) {
        if (conditional && !isTrue(evaluate(conditional, roots).value)) return null;
      }
      const input = has(node, 'input') ? mapStrings(resolveInput(node.input, roots), this.redact) : args;
      return target.input.check(input) ? null : { name: node.name ?? node.plugin_reference, action: target, input };
    } catch (error) {
      if (error instanceof ExpressionError) return null;
      throw error;
    }
  }

  /** Counts a step: merges its result, sets what the runtime sets, and records it all. */
  count(session, { plan, action, startedAt, turn, effects = [], intervention }, result) {
    const number = session.stepsDone + 1;
    const next = (environment, last) => obj({ ...session.observation, timestamp: startedAt, environment, last_result: last, step: number });
    let observation;
    if (result.success && result.status !== 'skipped') {
      const merged = mergeOutput(session.observation.environment, action.definition, result.output);
      if (merged.error) result = failAfterwards(result, merged.error);
      else {
        observation = next(merged.environment, result);
        if (byteLength(stringify(observation)) > OBSERVATION_BYTES) {
          observation = undefined;
          result = failAfterwards(result, errorObject('observation_too_large', 'with the output the observation would have more than 1 MiB'));
        }
      }
    }
    session.observation = observation ?? next(session.observation.environment, result);
    const durationMs = Math.max(0, Date.now() - Date.parse(startedAt));
    session.steps.push({ step_number: number, started_at: startedAt, duration_ms: durationMs, plan, result, observation: session.observation });
    session.recorded += byteLength(stringify(result));
    if (turn) turn.step_number = number;
    if (intervention) {
      intervention.record.step_number = number;
      intervention.effect.step_number = number;
    }
    for (const effect of effects) {
      effect.step_number = number;
      session.effects.push(effect);
    }
    session.status = result.success && result.status !== 'skipped' && action.definition.completes_goal === true ? 'completed' : 'active';
    return session.answer(result);
  }

  // --- people ---

  askPerson(session, question, context) {
    const id = `iv_${randomBytes(16).toString('hex')}`;
    const record = { id, kind: question.kind, prompt: question.prompt, asked_at: now(), answered_at: null, outcome: 'cancelled' };
    session.interventions.push(record);
    session.pending = { id, shown: { id, ...question }, record, context };
    session.questions.set(id, record);
    session.status = 'awaiting_human';
    return session.answer(null);
  }

  answerQuestion(id, questionId, given) {
    const session = this.find(id);
    return session.inTurn(async () => {
      if (session.status === 'closed') throw new ApiError('session_not_found', 'no session has this id');
      const body = wantObject(given);
      checkVersion(body);
      if (!session.questions.has(questionId)) throw new ApiError('intervention_not_found', 'the session has had no question with this id');
      if (has(body, 'output') === has(body, 'decision')) throw invalidRequest([violation('', 'oneOf', 'give either output or decision')]);
      if (has(body, 'decision') && body.decision !== 'reject') throw invalidRequest([violation('/decision', 'enum', 'the only decision here is reject')]);
      const { pending } = session;
      if (pending?.id !== questionId) throw new ApiError('intervention_answered', 'the question does not wait any more');
      const rejected = has(body, 'decision');
      return pending.record.kind === 'invalid_plan'
        ? this.answerInvalidPlan(session, pending, rejected, body.output)
        : this.answerAction(session, pending, rejected, body.output);
    });
  }

  /** Takes the answer: the question waits no more, and the person's part is an effect. */
  settle(session, { record }, outcome, output) {
    record.answered_at = now();
    record.outcome = outcome;
    if (outcome === 'answered') record.output = output;
    const target = session.pending.shown.action_name ?? 'invalid_plan';
    const effect = { step_number: null, kind: 'person', method: 'ASK', target, status: outcome, at: record.answered_at };
    session.effects.push(effect);
    session.pending = null;
    return { record, effect };
  }

  answerAction(session, pending, rejected, output) {
    const { action } = pending.context;
    if (!rejected) {
      const violations = action.output.check(output);
      if (violations) throw invalidAnswer(violations.map((v) => ({ ...v, pointer: `/output${v.pointer}` })));
    }
    const intervention = this.settle(session, pending, rejected ? 'rejected' : 'answered', output);
    const result = rejected ? failed(action.name, errorObject('human_rejected', 'the person declined to answer')) : succeeded(action.name, output);
    return this.count(session, { ...pending.context, intervention }, result);
  }

  answerInvalidPlan(session, pending, rejected, output) {
    if (rejected) {
      this.settle(session, pending, 'rejected');
      session.status = 'failed';
      return session.answer(null);
    }
    const wellFormed = isObject(output) && has(output, 'plan') !== has(output, 'retry') && (has(output, 'plan') || output.retry === true);
    if (!wellFormed) throw invalidAnswer([violation('/output', 'oneOf', 'answer {"plan": …} or {"retry": true}')]);
    if (has(output, 'retry')) {
      this.settle(session, pending, 'answered', output);
      session.status = 'active';
      return session.answer(null);
    }
    const { plan, error } = checkForm(output.plan);
    const refused = error ?? this.checkPlan(session, plan);
    if (refused) {
      const inner = refused.details?.violations?.map((v) => ({ ...v, pointer: `/output/plan/args${v.pointer}` }));
      throw invalidAnswer(inner ?? [violation(refused.errorCode === 'invalid_plan' ? '/output/plan' : '/output/plan/action', refused.errorCode, refused.message)]);
    }
    const intervention = this.settle(session, pending, 'answered', output);
    session.status = 'active';
    const { startedAt, shown } = pending.context;
    // If the plan asks a question of its own, the step that will count is that of its answer.
    return this.carryOut(session, plan, { startedAt, shown, intervention });
  }

  // --- the end ---

  close(id) {
    const session = this.find(id);
    return session.inTurn(async () => {
      if (session.status === 'closed') throw new ApiError('session_not_found', 'no session has this id');
      const transcript = transcriptOf(session);
      session.status = 'closed';
      session.pending = null;
      this.open.delete(id);
      const text = this.redact(stringify(transcript));
      this.closed.set(id, { text, at: Date.now() });
      this.closedSize += text.length;
      while (this.closedSize > MAX_CLOSED && this.closed.size > 1) this.forget(this.closed.keys().next().value);
      return { session_id: id, status: 'closed', transcript };
    });
  }

  /** The text of a closed session's transcript. */
  transcript(id) {
    if (this.closed.has(id)) return this.closed.get(id).text;
    this.find(id);
    throw new ApiError('conflict', 'the transcript is there once the session is closed');
  }
}

export const identity = (manifest) => ({ name: manifest.name, version: manifest.version.text, digest: manifest.digest });

const toResult = (name, outcome) => (outcome.error ? failed(name, outcome.error) : succeeded(name, outcome.output));

/** A success that could not be merged is a failure, its last attempt too. */
function failAfterwards(result, error) {
  const out = failed(result.action_name, error);
  if (result.attempts) out.attempts = [result.attempts[0], failed(result.action_name, error)];
  return out;
}

export function expressionFailure(code, error) {
  if (!(error instanceof ExpressionError)) throw error;
  return errorObject(code, error.message, { reason: error.reason, offset: error.offset });
}

/** A prompt is a text: one template alone may give any value. */
export const asText = (value) => (typeof value === 'string' ? value : stringify(value));

function invalidAnswer(violations) {
  return new ApiError('invalid_answer', 'the answer does not satisfy what was asked for', { details: { violations: violations.slice(0, 100) } });
}

function transcriptOf(s) {
  const sum = (name) => s.turns.reduce((n, t) => n + (t.usage?.[name] ?? 0), 0);
  const transcript = {
    protocol_version: '2.0', session_id: s.id, manifest: identity(s.manifest), goal: s.goal, status: s.status, max_steps: s.maxSteps,
    started_at: s.startedAt, closed_at: now(), initial_observation: s.initial, turns: s.turns, steps: s.steps, interventions: s.interventions,
    final_observation: s.observation, side_effects: s.effects,
    usage: { model_calls: s.turns.length, prompt_tokens: sum('prompt_tokens'), completion_tokens: sum('completion_tokens') },
    contracts: s.contracts,
  };
  if (s.flags !== undefined) transcript.flags = s.flags;
  if (s.seed !== undefined) transcript.seed = s.seed;
  return transcript;
}
