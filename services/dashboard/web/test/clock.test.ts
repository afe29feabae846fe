import assert from 'node:assert/strict';
import test from 'node:test';
import { Clocks, DataClock } from '../src/store/clock';
import { Store } from '../src/store/store';
import { BEGIN, empty } from './made';

const HOUR = 3_600_000;

test('the quickest way tells the time, and the last stamp is not in the future', () => {
  const clock = new DataClock();
  assert.equal(clock.at(BEGIN), null);
  clock.heard(BEGIN - 300, BEGIN);
  clock.heard(BEGIN + 990, BEGIN + 1_000);
  clock.heard(BEGIN + 1_600, BEGIN + 2_000);
  const at = clock.at(BEGIN + 3_000) ?? NaN;
  assert.ok(at > BEGIN + 2_970 && at <= BEGIN + 2_990, String(at - BEGIN));
  assert.equal(clock.at(BEGIN - HOUR), BEGIN + 1_600);
});

test('a clock that drifts is followed, one that was set at once', () => {
  const clock = new DataClock();
  for (let n = 0; n < 3_000; n += 1) clock.heard(BEGIN + n * 200 - n, BEGIN + n * 200);
  assert.ok(Math.abs((clock.at(BEGIN + 600_000) ?? NaN) - (BEGIN + 597_000)) < 100);
  for (const step of [HOUR, -HOUR, 0]) {
    clock.heard(BEGIN + step, BEGIN);
    assert.equal(clock.at(BEGIN + 50), BEGIN + step + 50, String(step));
  }
  clock.heard(NaN, BEGIN);
  assert.equal(clock.at(BEGIN + 50), BEGIN + 50);
});

test('requests go by the clock of the monitor, unless their services have another one', () => {
  const clocks = new Clocks();
  const second = BEGIN / 1_000;
  clocks.requests(second - 3, BEGIN);
  assert.equal(clocks.at('requests', BEGIN), BEGIN - 2_000, 'nothing else is known');
  clocks.suspicion(BEGIN, BEGIN);
  assert.equal(clocks.at('requests', BEGIN), BEGIN, 'they come late');
  clocks.requests(second + 3_599, BEGIN);
  assert.equal(clocks.at('requests', BEGIN), BEGIN + HOUR);
  assert.equal(clocks.at('suspicion', BEGIN), BEGIN);
  clocks.suspicion(BEGIN + 2 * HOUR, BEGIN);
  assert.equal(clocks.at('requests', BEGIN), BEGIN + 2 * HOUR, 'a step that requests have not told of');
});

for (const aheadMs of [0, HOUR, -HOUR]) {
  const row = (ms: number) => ({ at: new Date(ms).toISOString(), detector: 'x', threshold: 1, levels: [] });
  const votes = { clients: 0, scrubs: 0, agreed: 0, dissenting: 0, stale: 0, missing: 0, no_quorum: 0 };

  test(`charts end where the data do, whatever this machine's clock shows: ${aheadMs} ms ahead`, () => {
    const store = new Store();
    const nowMs = BEGIN + aheadMs;
    store.apply('snapshot', empty(), nowMs);
    assert.equal(store.time('votes', nowMs), nowMs, 'nothing is known');
    store.apply('suspicion', row(BEGIN), nowMs);
    store.apply('votes', { second: BEGIN / 1_000 - 1, ...votes }, nowMs);
    for (const of of ['suspicion', 'requests', 'votes'] as const) {
      assert.equal(store.time(of, nowMs), BEGIN, of);
      assert.equal(store.time(of, nowMs + 7_000), BEGIN + 7_000, of);
    }
    // It is set, and the next event comes.
    store.apply('suspicion', row(BEGIN + 8_000), nowMs + 8_000 + HOUR);
    store.apply('votes', { second: BEGIN / 1_000 + 7, ...votes }, nowMs + 8_000 + HOUR);
    for (const of of ['suspicion', 'requests', 'votes'] as const) {
      assert.equal(store.time(of, nowMs + 8_000 + HOUR), BEGIN + 8_000, of);
    }
  });

  test(`a page that comes when a service is long gone shows the last of it: ${aheadMs} ms ahead`, () => {
    const store = new Store();
    const snapshot = { ...empty(), suspicion: [row(BEGIN)], votes: [{ second: BEGIN / 1_000 - 1, ...votes }] };
    store.apply('snapshot', snapshot, BEGIN + aheadMs + 2 * HOUR);
    // Since when it is gone.
    const goneMs = BEGIN + aheadMs + 400;
    for (const of of ['suspicion', 'requests', 'votes'] as const) assert.equal(store.time(of, goneMs), BEGIN, of);
  });
}
