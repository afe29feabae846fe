import assert from 'node:assert/strict';
import test from 'node:test';
import { attribute, spans } from '../src/store/faults';
import type { FaultWindow } from '../src/wire';
import { BEGIN, fault, transition } from './made';

const crash = (ms: number, instance: string): FaultWindow => ({ ...fault(ms, instance, null), fault: 'crash', active: false });

test('a verdict belongs to the newest fault of its instance that was there, and the way back to the same', () => {
  const windows = [fault(BEGIN + 5_000, '2', BEGIN + 9_000), fault(BEGIN, '1', BEGIN + 4_000)];
  const history = [
    transition(4, BEGIN + 20_000, '1', 'OFF'),
    transition(3, BEGIN + 6_000, '1', 'ON'),
    transition(2, BEGIN + 5_100, '2', 'OFF'),
    transition(1, BEGIN + 200, '1', 'OFF'),
  ];
  const found = attribute(history, spans(windows, history));
  assert.deepEqual(
    [1, 2, 3, 4].map((seq) => found.get(seq)),
    ['latency', 'latency', 'latency', undefined],
  );
});

test('a detection just after the clearing still belongs to the fault, a later one does not', () => {
  const windows = [fault(BEGIN, '1', BEGIN + 1_000)];
  for (const [ms, expected] of [
    [1_900, 'latency'],
    [2_100, undefined],
    [-1, undefined],
  ] as const) {
    const history = [transition(1, BEGIN + ms, '1', 'OFF')];
    assert.equal(attribute(history, spans(windows, history)).get(1), expected, String(ms));
  }
});

test('a crash ends when the instance is ON again', () => {
  const off = transition(1, BEGIN + 10, '1', 'OFF');
  const others = transition(2, BEGIN + 500, '2', 'ON');
  const on = transition(3, BEGIN + 3_000, '1', 'ON');
  const end = (history: Parameters<typeof spans>[1]) => spans([crash(BEGIN, '1')], history)[0]?.to;
  assert.equal(end([on, others, off]), BEGIN + 3_000);
  assert.equal(end([others, off]), null);
  assert.equal(end([]), BEGIN + 1_000);
});

test('an active fault has no end yet', () => {
  assert.equal(spans([fault(BEGIN, '1', null)], [])[0]?.to, null);
});
