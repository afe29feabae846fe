import assert from 'node:assert/strict';
import test from 'node:test';
import { kindOf, ordered } from '../src/store/disagreements';
import type { Disagreement, Standing } from '../src/wire';
import { BEGIN } from './made';

function one(id: number, lastS: number, standings: Standing[], more: Partial<Disagreement> = {}): Disagreement {
  const voices = standings.map((standing, n) => ({ instance: String(n + 1), answer: 'ok', on: true, standing }));
  const last = new Date(BEGIN + lastS * 1_000).toISOString();
  const what = { product: 'P', no_quorum: false, version: null, stock: null };
  return { id, first: last, last, count: 1, ...what, voices, ...more };
}
const lie = (id: number, lastS: number) => one(id, lastS, ['dissents', 'agrees', 'agrees']);
const lag = (id: number, lastS: number) => one(id, lastS, ['stale', 'agrees', 'agrees']);
const lost = (id: number, lastS: number) => one(id, lastS, ['missing', 'missing', 'not_asked'], { no_quorum: true });
const ids = (list: Disagreement[]) => list.map(({ id }) => id);

test('a vote without a quorum is no lag, whoever was silent', () => {
  assert.equal(kindOf(one(1, 0, ['missing', 'not_asked', 'agrees'], { no_quorum: true })), 'no_quorum');
  assert.equal(kindOf(one(1, 0, ['dissents', 'missing', 'missing'], { no_quorum: true })), 'no_quorum');
  assert.equal(kindOf(one(1, 0, ['missing', 'not_asked', 'missing'], { no_quorum: true })), 'no_quorum');
  assert.equal(kindOf(one(1, 0, ['missing', 'undecided', 'undecided'], { no_quorum: true })), 'no_quorum');
  assert.equal(kindOf(one(1, 0, ['stale', 'missing', 'agrees'])), 'stale');
  assert.equal(kindOf(one(1, 0, ['dissents', 'stale', 'agrees'])), 'dissent');
});

test('the newest comes first, but what is more than lag stays above it for ten seconds', () => {
  assert.deepEqual(ids(ordered([lag(1, 0), lag(2, 5), lie(3, 3)], 50)), [3, 2, 1]);
  assert.deepEqual(ids(ordered([lag(1, 13), lie(2, 3), lost(3, 4)], 50)), [3, 2, 1]);
  assert.deepEqual(ids(ordered([lag(1, 13.5), lie(2, 3), lost(3, 4)], 50)), [3, 1, 2]);
  assert.deepEqual(ids(ordered([lie(1, 0), lie(2, 100), lag(3, 50)], 50)), [2, 3, 1]);
  assert.deepEqual(ordered([], 50), []);
});

test('of too many lag goes first, but lies of yesterday do not hide the lag of today', () => {
  const lies = Array.from({ length: 50 }, (_, n) => lie(n, n / 10));
  const lags = Array.from({ length: 30 }, (_, n) => lag(100 + n, n / 10));
  const kept = ordered([...lags, ...lies], 50);
  assert.deepEqual(new Set(ids(kept)), new Set(ids(lies)));
  assert.deepEqual(ids(ordered([lag(100, 3), lag(101, 2), lie(1, 1)], 2)), [1, 100]);
  assert.deepEqual(ids(ordered([lag(100, 86_400), lag(101, 86_399), lie(1, 1), lie(2, 2)], 2)), [100, 2]);
});
