import assert from 'node:assert/strict';
import test from 'node:test';
import {
  MOST_DISAGREEMENTS,
  MOST_FAILURES,
  MOST_FAULTS,
  MOST_SUSPICION,
  Store,
  WINDOW_S,
} from '../src/store/store';
import type { Snapshot } from '../src/wire';
import { type AnyEvent, BEGIN, empty, fault, second, transition } from './made';

function feed(store: Store, [name, data]: AnyEvent): void {
  store.apply(name, data as never, BEGIN);
}

function begun(): Store {
  const store = new Store();
  feed(store, ['snapshot', empty()]);
  return store;
}

const DAY_S = 86_400;

test('a day of events leaves the rings within their bounds, and the last hour costs as much as the first', () => {
  const store = begun();
  const hours: number[] = [];
  let events = 0;
  for (let hour = 0; hour < 24; hour += 1) {
    const from = process.cpuUsage().user;
    for (let n = hour * 3_600; n < (hour + 1) * 3_600; n += 1) {
      for (const event of second(n)) {
        feed(store, event);
        events += 1;
      }
    }
    hours.push(process.cpuUsage().user - from);
  }
  assert.ok(events > DAY_S * 9);
  assert.deepEqual(store.sizes(), {
    suspicion: MOST_SUSPICION,
    requests: 3 * WINDOW_S,
    votes: WINDOW_S,
    disagreements: MOST_DISAGREEMENTS,
    failures: MOST_FAILURES,
    faults: MOST_FAULTS,
  });
  // The cheapest of several hours each, so that a busy machine does not decide. In the first hours lists still fill.
  const early = Math.min(...hours.slice(4, 14));
  const late = Math.min(...hours.slice(14));
  assert.ok(late < early * 3, `an hour took ${early} µs and then ${late} µs`);
});

test('a snapshot and the events after it are as good as all events', () => {
  for (const cut of [0, 3, 120, 299, 300, 700, 1_500]) {
    const all = begun();
    for (let n = 0; n < cut; n += 1) for (const event of second(n)) feed(all, event);
    const copy = JSON.parse(JSON.stringify(all.state())) as Snapshot;
    const late = new Store();
    feed(late, ['snapshot', { ...copy, epoch: 'e', version: '1' }]);
    for (let n = cut; n < cut + 400; n += 1) {
      for (const event of second(n)) {
        feed(all, event);
        feed(late, event);
      }
    }
    assert.deepEqual(late.state(), all.state(), `cut at ${cut}`);
  }
});

test('a snapshot forgets what was there before', () => {
  const store = begun();
  for (let n = 0; n < 400; n += 1) for (const event of second(n)) feed(store, event);
  feed(store, ['snapshot', empty()]);
  assert.deepEqual(store.state(), begun().state());
});

test('a transition moves the verdict and the quorum', () => {
  const store = begun();
  feed(store, ['transition', transition(1, BEGIN + 10, '1', 'OFF')]);
  assert.equal(store.status?.quorum_lost, false);
  feed(store, ['transition', transition(2, BEGIN + 20, '3', 'OFF')]);
  assert.equal(store.status?.on, 1);
  assert.equal(store.status?.quorum_lost, true);
  assert.equal(store.status?.instances[2]?.phase, 'quarantine');
  feed(store, ['transition', transition(3, BEGIN + 30, '1', 'ON')]);
  assert.equal(store.status?.quorum_lost, false);
});

test('a transition that comes late goes to its place and moves no verdict back', () => {
  const store = begun();
  feed(store, ['transition', transition(5, BEGIN + 50, '1', 'ON')]);
  feed(store, ['transition', transition(4, BEGIN + 40, '1', 'OFF')]);
  feed(store, ['transition', transition(4, BEGIN + 40, '1', 'OFF')]);
  assert.deepEqual(
    store.failures.map((one) => one.seq),
    [5, 4],
  );
  assert.equal(store.status?.instances[0]?.status, 'ON');
});

test('times belong to their transition, and what is not told any more is not known', () => {
  const store = begun();
  feed(store, ['transition', transition(1, BEGIN, '1', 'OFF')]);
  const known = () => [store.failures[0]?.ttd_ms, store.failures[0]?.ttr_ms];
  feed(store, ['times', { seq: 1, ttd_ms: 12.5 }]);
  assert.deepEqual(known(), [12.5, null]);
  feed(store, ['times', { seq: 1, ttd_ms: 12.5, ttr_ms: 900 }]);
  assert.deepEqual(known(), [12.5, 900]);
  feed(store, ['times', { seq: 1, ttd_ms: 3.5 }]);
  assert.deepEqual(known(), [3.5, null], 'it was another fault');
  feed(store, ['times', { seq: 77, ttd_ms: 1 }]);
  assert.deepEqual(known(), [3.5, null]);
});

test('a disagreement of a voter that was started anew is another one, though its number is the same', () => {
  const store = begun();
  const undecided = { no_quorum: false, version: null, stock: null };
  const one = { id: 1, last: new Date(BEGIN).toISOString(), count: 1, product: null, ...undecided, voices: [] };
  feed(store, ['disagreement', { ...one, first: 'a' }]);
  feed(store, ['disagreement', { ...one, first: 'b' }]);
  feed(store, ['disagreement', { ...one, first: 'b', count: 2 }]);
  assert.deepEqual(
    store.disagreements.map(({ first, count }) => [first, count]),
    [
      ['b', 2],
      ['a', 1],
    ],
  );
});

test('a fault is cleared where it stands', () => {
  const store = begun();
  feed(store, ['fault', fault(BEGIN, '1', null)]);
  feed(store, ['fault', fault(BEGIN + 5, '2', null)]);
  feed(store, ['fault', fault(BEGIN, '1', BEGIN + 9)]);
  assert.deepEqual(
    store.faults.map((one) => [one.instance, one.active]),
    [
      ['2', true],
      ['1', false],
    ],
  );
});

test('of too many faults the oldest that is over goes and an active one stays', () => {
  const store = begun();
  feed(store, ['fault', fault(BEGIN, '2', null)]);
  for (let n = 1; n <= MOST_FAULTS; n += 1) feed(store, ['fault', fault(BEGIN + n, '1', BEGIN + n)]);
  const began = () => store.faults.map((one) => Date.parse(one.activated_at.at) - BEGIN);
  assert.deepEqual([began().length, began()[0], began().at(-2), began().at(-1)], [MOST_FAULTS, MOST_FAULTS, 2, 0]);
  assert.equal(store.faults.at(-1)?.active, true);
  // One that is told of late goes to its place, and the oldest goes, which may be itself.
  feed(store, ['fault', fault(BEGIN + 9.5, '3', BEGIN + 9.5)]);
  assert.deepEqual(began().slice(-3), [4, 3, 0]);
  feed(store, ['fault', fault(BEGIN + 1, '3', BEGIN + 1)]);
  assert.deepEqual(began().slice(-3), [4, 3, 0]);
});

test('disagreements are told by their last vote, lies above lag', () => {
  const store = begun();
  const voices = (standing: 'stale' | 'dissents') => [{ instance: '1', answer: 'ok', on: true, standing }];
  const one = (id: number, standing: 'stale' | 'dissents', ms: number) => ({
    id,
    first: new Date(BEGIN + id).toISOString(),
    last: new Date(BEGIN + ms).toISOString(),
    count: 1,
    product: 'P',
    no_quorum: false,
    version: null,
    stock: null,
    voices: voices(standing),
  });
  const ids = () => store.disagreements.map(({ id }) => id);
  feed(store, ['disagreement', one(1, 'dissents', 0)]);
  feed(store, ['disagreement', one(2, 'stale', 1_000)]);
  feed(store, ['disagreement', one(3, 'stale', 2_000)]);
  assert.deepEqual(ids(), [1, 3, 2]);
  feed(store, ['disagreement', one(2, 'stale', 3_000)]);
  assert.deepEqual(ids(), [1, 2, 3]);
  feed(store, ['disagreement', one(3, 'stale', 20_000)]);
  assert.deepEqual(ids(), [3, 2, 1]);
  feed(store, ['disagreement', one(1, 'dissents', 21_000)]);
  assert.deepEqual(ids(), [1, 3, 2]);
});

test('only a real difference moves the clock', () => {
  const store = begun();
  store.apply('tick', { at: new Date(BEGIN + 100).toISOString() }, BEGIN);
  assert.equal(store.skewMs, 0);
  store.apply('tick', { at: new Date(BEGIN + 60_000).toISOString() }, BEGIN);
  assert.equal(store.skewMs, 60_000);
  store.apply('tick', { at: 'nonsense' }, BEGIN);
  assert.equal(store.skewMs, 60_000);
});

test('what was changed is told, part by part', () => {
  const store = begun();
  const told: string[] = [];
  store.changed = (slice) => told.push(slice);
  feed(store, ['folders', []]);
  feed(store, ['source', { name: 'voter-svc', up: false, since: '', state: null }]);
  feed(store, ['source', { name: 'nobody', up: false, since: '', state: null }]);
  assert.deepEqual(told, ['folders', 'sources']);
});
