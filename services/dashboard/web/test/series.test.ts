import assert from 'node:assert/strict';
import test from 'node:test';
import { Seconds } from '../src/store/ring';
import { figures, latency, levels, rate, type Requests, votes } from '../src/store/series';
import { WINDOW_S } from '../src/store/store';
import type { RequestsSecond } from '../src/wire';
import { BEGIN } from './made';

const SECOND = BEGIN / 1_000;

function row(second: number, count = 10, failed = 0): RequestsSecond {
  return { second, service: 'voter-svc', count, failed, p50_us: 1_000, p95_us: 2_000, p99_us: 3_000, max_us: 4_000 };
}

function requests(rows: RequestsSecond[]): Requests {
  const all = {
    'voter-svc': new Seconds<RequestsSecond>(WINDOW_S),
    'orders-svc': new Seconds<RequestsSecond>(WINDOW_S),
    'inventory-svc': new Seconds<RequestsSecond>(WINDOW_S),
  };
  for (const one of rows) all['voter-svc'].put(one);
  return all;
}

test('success is that of the last five minutes, and of nothing when nothing came in them', () => {
  const all = requests([row(SECOND, 10, 5), row(SECOND + 200)])['voter-svc'];
  const at = (s: number) => figures(all, (SECOND + s) * 1_000);
  assert.deepEqual([at(203).all, at(203).failed, at(203).row?.second], [20, 5, SECOND + 200]);
  assert.deepEqual([at(299).all, at(299).failed, at(299).row], [20, 5, undefined]);
  assert.deepEqual([at(300).all, at(300).failed], [10, 0]);
  assert.deepEqual([at(499).all, at(500).all], [10, 0]);
  assert.deepEqual(at(-1), { row: undefined, all: 0, failed: 0 });
});

test('a second that is not whole is not charted yet, and a gap is none without requests', () => {
  const all = requests([row(SECOND, 4), row(SECOND + 2, 6, 1), row(SECOND + 3, 1)]);
  const [seconds, counts, failed] = rate(all, 'voter-svc', (SECOND + 5) * 1_000 + 700);
  assert.equal(seconds.length, WINDOW_S);
  assert.equal(seconds.at(-1), SECOND + 2);
  assert.deepEqual(counts?.slice(-4), [null, 4, null, 6]);
  assert.deepEqual(failed?.slice(-4), [null, 0, null, 1]);
  assert.deepEqual(rate(all, 'orders-svc', (SECOND + 5) * 1_000)[1]?.slice(-3), [0, null, 0]);
  assert.deepEqual(latency(all, 'voter-svc', (SECOND + 5) * 1_000).slice(1).map((column) => column.at(-1)), [1, 2, 3]);
});

test('votes are charted up to now, and the total is that of clients and scrub', () => {
  const rows = new Seconds<Parameters<Parameters<typeof votes>[1][0]>[0]>(WINDOW_S);
  rows.put({ second: SECOND, clients: 7, scrubs: 2, agreed: 8, dissenting: 0, stale: 0, missing: 0, no_quorum: 0 });
  const [seconds, agreed, total] = votes(
    rows,
    [(one) => one.agreed, (one) => one.clients + one.scrubs],
    BEGIN + 1_500,
  );
  assert.deepEqual(seconds.slice(-2), [SECOND, SECOND + 1]);
  assert.deepEqual([agreed?.slice(-2), total?.slice(-2)], [[8, null], [9, null]]);
});

test('levels are shares of the threshold in the order of time, without what a clock set back left behind', () => {
  const level = (ms: number, value: number | null, threshold = 10) => ({
    at: new Date(BEGIN + ms).toISOString(),
    detector: 'accrual',
    threshold,
    levels: [value, 5],
  });
  const rows = [level(100, 1), level(900, 2), level(300, null), level(400, 99), level(500, 1, 0)];
  assert.deepEqual(levels(rows, 2, BEGIN + 500), [
    [SECOND + 0.1, SECOND + 0.3, SECOND + 0.4, SECOND + 0.5],
    [0.1, null, 2, null],
    [0.5, 0.5, 0.5, null],
  ]);
});
