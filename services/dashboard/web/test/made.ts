// Made-up events, the same for the same number.
import type { Disagreement, Events, EventName, FaultWindow, Snapshot, Transition } from '../src/wire';

export type AnyEvent = { [N in EventName]: [N, Events[N]] }[EventName];
export const BEGIN = Date.parse('2026-01-01T00:00:00Z');
const at = (ms: number) => new Date(ms).toISOString();
const stamp = (ms: number) => ({ at: at(ms), mono_ns: (ms - BEGIN) * 1e6 });

export function transition(seq: number, ms: number, instance: string, to: 'ON' | 'OFF'): Transition {
  return {
    seq,
    ...stamp(ms),
    service: 'inventory-svc',
    instance,
    from: to === 'ON' ? 'OFF' : 'ON',
    to,
    phase: to === 'ON' ? 'on' : 'quarantine',
    reason: { kind: to === 'ON' ? 'recovered' : 'late', text: '' },
    quorum_lost: false,
  };
}

export function fault(ms: number, instance: string, clearedMs: number | null): FaultWindow {
  return {
    instance,
    fault: 'latency',
    spec: { fault: 'latency', scope: 'all' },
    activated_at: stamp(ms),
    cleared_at: clearedMs === null ? null : stamp(clearedMs),
    active: clearedMs === null,
  };
}

export function empty(): Snapshot {
  return {
    epoch: 'e',
    version: '1',
    system: { replicas: 3, injection: true, token: false, experiments: true, scenarios: [] },
    sources: {},
    status: {
      replicas: 3,
      quorum: 2,
      on: 3,
      quorum_lost: false,
      detector: 'accrual',
      instances: ['1', '2', '3'].map((instance) => ({
        service: 'inventory-svc',
        instance,
        status: 'ON',
        phase: 'on',
        reason: { kind: 'initial', text: '' },
        since: stamp(BEGIN),
      })),
    },
    replicas: [],
    suspicion: [],
    requests: [],
    votes: [],
    disagreements: [],
    failures: [],
    faults: [],
    experiment: null,
    folders: [],
  };
}

/** What comes in one second: suspicion, requests twice, votes, and now and then a fault with all that follows. */
export function* second(n: number): Generator<AnyEvent> {
  const ms = BEGIN + n * 1_000;
  const unix = ms / 1_000;
  for (let k = 0; k < 5; k += 1) {
    yield ['suspicion', { at: at(ms + k * 200), detector: 'accrual', threshold: 15, levels: [n % 15, k, 0] }];
  }
  for (const count of [n % 7, n % 50]) {
    yield [
      'requests',
      ['voter-svc', 'orders-svc', 'inventory-svc', 'else'].map((service) => ({
        second: unix,
        service,
        count,
        failed: 0,
        p50_us: 600,
        p95_us: 900,
        p99_us: 1_500,
        max_us: 2_000,
      })),
    ];
  }
  const votes = { clients: 50, scrubs: 3, agreed: 53, dissenting: 0, stale: 0, missing: 0, no_quorum: 0 };
  yield ['votes', { second: unix, ...votes }];
  yield ['tick', { at: at(ms) }];
  const instance = String((n % 3) + 1);
  if (n % 20 === 5) {
    yield ['fault', fault(ms, instance, null)];
    yield ['transition', transition(n * 10, ms + 170, instance, 'OFF')];
    yield ['times', { seq: n * 10, ttd_ms: 170 }];
    yield ['fault', fault(ms, instance, ms + 500)];
    yield ['transition', transition(n * 10 + 1, ms + 900, instance, 'ON')];
    yield ['times', { seq: n * 10, ttd_ms: 170, ttr_ms: 900 }];
  }
  // Each twice: the second one takes the place of the first.
  for (const count of [3, 9]) {
    const one: Disagreement = {
      id: n + 1,
      first: at(ms),
      last: at(ms + count),
      count,
      product: 'PROD-001',
      no_quorum: false,
      version: n,
      stock: { available: n, reserved: 0 },
      voices: [],
    };
    if (n % 4 === 0) yield ['disagreement', one];
  }
}
