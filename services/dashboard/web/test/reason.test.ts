import assert from 'node:assert/strict';
import test from 'node:test';
import { reasonOf } from '../src/store/reason';
import { Store } from '../src/store/store';
import type { Transition } from '../src/wire';
import { BEGIN, empty, transition } from './made';

const probation = (seq: number, ms: number, instance: string): Transition => ({
  ...transition(seq, ms, instance, 'OFF'),
  from: 'OFF',
  phase: 'probation',
  reason: { kind: 'quarantine_over', text: 'the quarantine is over' },
});

test('on probation an instance keeps the reason for which it is OFF, and since when', () => {
  const store = new Store();
  store.apply('snapshot', empty(), BEGIN);
  const off = { ...transition(1, BEGIN + 10, '2', 'OFF'), reason: { kind: 'dissent' as const, text: 'it lied', evidence: [] } };
  store.apply('transition', off, BEGIN);
  store.apply('transition', transition(2, BEGIN + 20, '1', 'OFF'), BEGIN);
  store.apply('transition', probation(3, BEGIN + 210, '2'), BEGIN);
  const status = store.status?.instances[1];
  assert.ok(status);
  assert.deepEqual([status.phase, status.reason.kind], ['probation', 'quarantine_over']);
  assert.equal(status.since.at, new Date(BEGIN + 10).toISOString());
  assert.deepEqual(reasonOf(status, store.failures), off.reason);
  store.apply('transition', transition(4, BEGIN + 900, '2', 'ON'), BEGIN);
  const back = store.status?.instances[1];
  assert.ok(back);
  assert.equal(back.since.at, new Date(BEGIN + 900).toISOString());
  assert.equal(reasonOf(back, store.failures).kind, 'recovered');
});

test('a new reason to be OFF is shown, and where the old one is not known there is none', () => {
  const off = { ...empty().status?.instances[0], status: 'OFF' } as const;
  const status = (kind: 'late' | 'quarantine_over') => ({ ...off, reason: { kind, text: kind } }) as Parameters<typeof reasonOf>[0];
  assert.equal(reasonOf(status('late'), [transition(1, BEGIN, '1', 'OFF')]).text, 'late');
  assert.equal(reasonOf(status('quarantine_over'), []).text, 'quarantine_over');
  const others = [transition(3, BEGIN, '2', 'OFF'), transition(2, BEGIN, '1', 'ON'), transition(1, BEGIN, '1', 'OFF')];
  assert.equal(reasonOf(status('quarantine_over'), others).text, 'quarantine_over', 'that one is over');
});
