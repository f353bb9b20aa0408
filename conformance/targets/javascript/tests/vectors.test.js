/** The public expression vectors: every one has to hold. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { equal, isObject, obj, parse, stringify } from '../json.js';
import { ExpressionError, evaluate, parseExpression, parseTemplate, resolveTemplate } from '../expressions.js';

const folder = new URL('../../../../fixtures/expressions/', import.meta.url);
const joined = (text) => (typeof text === 'string' ? text : text.map((p) => (typeof p === 'string' ? p : p[0].repeat(p[1]))).join(''));

function expand(x) {
  if (Array.isArray(x)) return x.map(expand);
  if (!isObject(x)) return x;
  if ('$parts' in x) return joined(x.$parts);
  if ('$times' in x) return Array(x.$times[1]).fill(expand(x.$times[0]));
  return obj(Object.fromEntries(Object.entries(x).map(([k, v]) => [k, expand(v)])));
}

for (const file of readdirSync(folder).filter((f) => f.endsWith('.json') && !f.startsWith('jinja-'))) {
  test(`vectors: ${file}`, () => {
    const document = parse(readFileSync(new URL(file, folder), 'utf8'), { maxDepth: 500 });
    const wrong = [];
    for (const v of document.vectors) {
      const roots = {};
      for (const k of ['state', 'observation', 'input']) if (k in v) roots[k] = expand(v[k]);
      if ('use' in v) roots.state = expand(document.states[v.use]);
      let got;
      try {
        if ('expression' in v) {
          const { value, undefinedPaths } = evaluate(parseExpression(joined(v.expression)), roots);
          got = { value, undefinedPaths };
        } else got = { value: resolveTemplate(parseTemplate(joined(v.template)), roots) };
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        got = { error: error.reason, offset: error.offset };
      }
      let ok;
      if ('error' in v) ok = got.error === v.error && (!('offset' in v) || got.offset === v.offset);
      else if (v.undefined) ok = !got.error && got.value === undefined;
      else ok = !got.error && got.value !== undefined && equal(got.value, expand(v.value)) && stringify(got.value) === stringify(got.value);
      if (ok && v.undefined_paths) ok = stringify(got.undefinedPaths) === stringify(v.undefined_paths);
      if (!ok) wrong.push(`${v.id}: ${stringify(v).slice(0, 300)} got ${stringify(got).slice(0, 200)}`);
    }
    assert.deepEqual(wrong, []);
  });
}
