/** Reads the fixtures, for the tests. */
import { readFileSync } from 'node:fs';

export const fixtures = new URL('../../../../fixtures/', import.meta.url);
export const read = (path) => readFileSync(new URL(path, fixtures));

/** Enough of TOML for the index files. */
export function readIndex(path) {
  const entries = [];
  for (const line of read(path).toString().split('\n')) {
    if (line.trim() === '[[fixture]]') entries.push({});
    const m = /^(\w+)\s*=\s*(.*)$/.exec(line);
    if (m && entries.length) entries[entries.length - 1][m[1]] = m[2] === 'true' || m[2] === 'false' ? m[2] === 'true' : JSON.parse(m[2]);
  }
  return entries;
}
