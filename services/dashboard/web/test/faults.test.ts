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
    [11_000, 'latency'],
    [11_001, undefined],
    [-1, undefined],
  ] as const) {
    const history = [transition(1, BEGIN + ms, '1', 'OFF')];
    assert.equal(attribute(history, spans(windows, history)).get(1), expected, String(ms));
  }
});

test('an OFF long after a crash is not about it, however long its consequences last', () => {
  for (const [ms, expected] of [
    [10_000, 'crash'],
    [10_001, undefined],
  ] as const) {
    const history = [
      transition(3, BEGIN + ms, '1', 'OFF'),
      transition(2, BEGIN + 9_000, '1', 'ON'),
      transition(1, BEGIN + 10, '1', 'OFF'),
    ];
    const found = attribute(history, spans([crash(BEGIN, '1')], history));
    assert.deepEqual([found.get(1), found.get(3)], ['crash', expected], String(ms));
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

test('a crash that nobody noticed does not end with another failure', () => {
  const end = (history: Parameters<typeof spans>[1]) => spans([crash(BEGIN, '1')], history)[0]?.to;
  const hours = BEGIN + 7_200_000;
  const later = [transition(2, hours + 900, '1', 'ON'), transition(1, hours, '1', 'OFF')];
  assert.equal(end(later), BEGIN + 1_000);
  assert.equal(end([transition(1, BEGIN + 10_001, '1', 'OFF')]), BEGIN + 1_000);
  assert.equal(end([transition(1, BEGIN + 10_000, '1', 'OFF')]), null);
});

test('a crash of an instance that is OFF already ends when it is ON again', () => {
  const before = transition(1, BEGIN - 60_000, '1', 'OFF');
  const on = transition(2, BEGIN + 30_000, '1', 'ON');
  const end = (history: Parameters<typeof spans>[1]) => spans([crash(BEGIN, '1')], history)[0]?.to;
  assert.equal(end([before]), null);
  assert.equal(end([on, before]), BEGIN + 30_000);
});

test('an active fault has no end yet', () => {
  assert.equal(spans([fault(BEGIN, '1', null)], [])[0]?.to, null);
});
