/** Manifests of the fixtures: the valid ones load, the invalid ones are refused at the right place. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { fixtures, read, readIndex } from './fixtures.js';
import { decodeUtf8, equal, obj, parse } from '../json.js';
import { mergeOutput } from '../sessions.js';
import { loadManifest } from '../manifest.js';

// What a manifest says that only a profile which this runtime does not offer knows.
const profiles = ['access_control', 'run_code', 'root'];
const foreign = (value) => typeof value === 'object' && value !== null
  && (profiles.includes(value.type) || Object.entries(value).some(([name, member]) => profiles.includes(name) || foreign(member)));

test('valid manifests load', () => {
  for (const file of readdirSync(new URL('manifests/valid/', fixtures))) {
    const load = () => loadManifest(parse(decodeUtf8(read(`manifests/valid/${file}`))));
    if (foreign(JSON.parse(read(`manifests/valid/${file}`)))) assert.throws(load, (e) => e.error.errorCode === 'profile_not_supported', file);
    else assert.doesNotThrow(load, file);
  }
});

test('invalid manifests are refused with one violation at its place', () => {
  const wrong = [];
  for (const f of readIndex('manifests/invalid/index.toml')) {
    try {
      loadManifest(parse(decodeUtf8(read(`manifests/invalid/${f.file}`))));
      wrong.push(`${f.file} was accepted`);
    } catch (error) {
      if (!error.error) throw error;
      // Whoever has no storage reads no roots.
      if (f.rule === 'invalid_root' && ['manifest_invalid', 'profile_not_supported'].includes(error.error.errorCode)) continue;
      const v = error.error.details.violations;
      if (v.length !== 1 || v[0].pointer !== f.pointer || v[0].rule !== f.rule) wrong.push(`${f.file}: ${f.pointer} ${f.rule} got ${JSON.stringify(v)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('raw texts have their codes', () => {
  for (const f of readIndex('manifests/raw/index.toml')) {
    assert.throws(() => parse(decodeUtf8(read(`manifests/raw/${f.file}`))), (e) => e.code === f.code && e.pointer === f.pointer, f.file);
  }
});

test('the digest of a transcript is that of its manifest, and both spellings have one', () => {
  const load = (file) => loadManifest(parse(decodeUtf8(read(`manifests/valid/${file}`))));
  const transcript = JSON.parse(read('transcripts/good/human.json'));
  assert.equal(load('human.json').digest, transcript.manifest.digest);
});

test('the good transcripts replay by our merge', () => {
  for (const file of readdirSync(new URL('transcripts/good/', fixtures))) {
    if (file.endsWith('.manifest.json')) continue;
    const t = parse(decodeUtf8(read(`transcripts/good/${file}`)));
    const own = existsSync(new URL(`manifests/valid/${file}`, fixtures)) ? file : 'meetbot.json';
    const beside = `transcripts/good/${file.replace(/\.json$/, '.manifest.json')}`;
    let named = `manifests/valid/${t.manifest.name === 'MeetBot' ? own : `${t.manifest.name}.json`}`;
    if (existsSync(new URL(beside, fixtures))) named = beside;
    let definitions = [];
    try { definitions = parse(decodeUtf8(read(named))).actions; } catch { /* judged without result_path */ }
    let o = t.initial_observation;
    for (const s of t.steps) {
      let { environment } = o;
      const definition = definitions.find((a) => a.name === s.result.action_name) ?? obj({ name: s.result.action_name });
      if (s.result.success && s.result.status !== 'skipped') environment = mergeOutput(environment, definition, s.result.output).environment;
      o = obj({ ...o, timestamp: s.started_at, environment, last_result: s.result, step: s.step_number });
      assert.ok(equal(o, s.observation), `${file} step ${s.step_number}`);
    }
    assert.ok(equal(o, t.final_observation), file);
  }
});
