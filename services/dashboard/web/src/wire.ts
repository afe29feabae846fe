// What the dashboard sends, as JSON writes it. The Rust types are in crates/wire (live, status, activation, inventory)
// and in services/dashboard.

/** An instant on the wall clock and on a monotonic one. The monotonic number is only a key here. */
export interface Stamp {
  at: string;
  mono_ns: number;
}

export type Verdict = 'ON' | 'OFF';
export type Phase = 'on' | 'quarantine' | 'probation';
export type HealthState = 'UP' | 'DEGRADED' | 'CATCHING_UP' | 'DOWN';
export type ReasonKind =
  | 'unreachable'
  | 'late'
  | 'errors'
  | 'dissent'
  | 'stale'
  | 'quarantine_over'
  | 'recovered'
  | 'initial';

export interface Clue {
  at: string;
  ms_before: number;
  what: 'good' | 'unreachable' | 'late' | 'error' | 'stale';
  from: string;
  count: number;
  weight: number;
  likelihood: number;
}

export interface Reason {
  kind: ReasonKind;
  text: string;
  evidence?: Clue[];
}

export interface InstanceStatus {
  service: string;
  instance: string;
  status: Verdict;
  phase: Phase;
  reason: Reason;
  since: Stamp;
  pid?: number | null;
}

export interface SystemStatus {
  replicas: number;
  quorum: number;
  on: number;
  quorum_lost: boolean;
  detector: string;
  instances: InstanceStatus[];
}

export interface Transition extends Stamp {
  seq: number;
  service: string;
  instance: string;
  from: Verdict;
  to: Verdict;
  phase: Phase;
  reason: Reason;
  quorum_lost: boolean;
  quarantine_ms?: number | null;
}

/** Both take the place of what was known; absent is not known. */
export interface Times {
  seq: number;
  ttd_ms?: number | null;
  ttr_ms?: number | null;
}

export interface AuditEntry extends Transition {
  ttd_ms?: number | null;
  ttr_ms?: number | null;
}

export interface Suspicion {
  at: string;
  detector: string;
  threshold: number;
  /** Null where a level is not finite: JSON has no infinity. */
  levels: (number | null)[];
}

export interface ReplicaView {
  instance: string;
  health: HealthState | null;
  pid?: number | null;
  applied?: number | null;
  lag?: number | null;
  check_ms: number | null;
}

export interface RequestsSecond {
  second: number;
  service: string;
  count: number;
  failed: number;
  p50_us: number;
  p95_us: number;
  p99_us: number;
  max_us: number;
}

export interface VotesSecond {
  second: number;
  clients: number;
  scrubs: number;
  agreed: number;
  dissenting: number;
  stale: number;
  missing: number;
  no_quorum: number;
}

export type Standing = 'agrees' | 'ahead' | 'stale' | 'dissents' | 'missing' | 'not_asked' | 'undecided';

export interface Stock {
  available: number;
  reserved: number;
}

export interface Voice {
  instance: string;
  answer: string;
  on: boolean;
  newest?: ({ version: number } & Stock) | null;
  standing: Standing;
}

export interface Disagreement {
  id: number;
  first: string;
  last: string;
  count: number;
  product: string | null;
  /** No quorum decided it. */
  no_quorum: boolean;
  version: number | null;
  stock: Stock | null;
  voices: Voice[];
}

export type FaultName = 'crash' | 'latency' | 'intermittent' | 'incorrect' | 'freeze' | 'stale';
export type Scope = 'all' | 'queries' | 'health';

export interface FaultSpec {
  fault: FaultName;
  scope?: Scope;
  latency_ms?: number | null;
  probability?: number;
  product?: string;
}

export interface FaultWindow {
  instance: string;
  fault: FaultName;
  spec: FaultSpec | null;
  activated_at: Stamp;
  cleared_at: Stamp | null;
  active: boolean;
}

export const SOURCES = ['monitor-svc', 'voter-svc', 'orders-svc'] as const;
export type SourceName = (typeof SOURCES)[number];

export interface Source {
  up: boolean;
  since: string;
  state: HealthState | null;
  details?: Record<string, string>;
  pid?: number | null;
  error?: string | null;
}

export interface ExperimentState {
  running: boolean;
  scenario: string;
  quick: boolean;
  seed: number | null;
  folder: string | null;
  started_at: string;
  step: 'starting' | 'baseline' | 'trials' | 'finishing' | 'ended';
  done: number;
  of: number;
  left_s: number | null;
  lines: string[];
  exit_code: number | null;
  verdict: 'pass' | 'fail' | null;
  error: string | null;
}

export interface Folder {
  name: string;
  started_at: string | null;
  scenario: string | null;
  verdict: 'pass' | 'fail' | null;
  duration_s: number | null;
  seed: number | null;
  report: boolean;
}

export interface System {
  replicas: number;
  injection: boolean;
  token: boolean;
  experiments: boolean;
  scenarios: { name: string; about: string }[];
}

export interface Snapshot {
  epoch: string;
  version: string;
  system: System;
  sources: Partial<Record<SourceName, Source>>;
  status: SystemStatus | null;
  replicas: ReplicaView[];
  suspicion: Suspicion[];
  requests: RequestsSecond[];
  votes: VotesSecond[];
  disagreements: Disagreement[];
  failures: AuditEntry[];
  faults: FaultWindow[];
  experiment: ExperimentState | null;
  folders: Folder[];
}

/** The events of `GET /api/live`: name and data. */
export interface Events {
  snapshot: Snapshot;
  source: Source & { name: string };
  status: SystemStatus;
  transition: Transition;
  times: Times;
  suspicion: Suspicion;
  replicas: ReplicaView[];
  requests: RequestsSecond[];
  votes: VotesSecond;
  disagreement: Disagreement;
  fault: FaultWindow;
  experiment: ExperimentState | null;
  folders: Folder[];
  /** Once a second from the dashboard itself: a stream without it is dead, and it tells the server's clock. */
  tick: { at: string };
}
export type EventName = keyof Events;

export const EVENT_NAMES: readonly EventName[] = [
  'snapshot',
  'source',
  'status',
  'transition',
  'times',
  'suspicion',
  'replicas',
  'requests',
  'votes',
  'disagreement',
  'fault',
  'experiment',
  'folders',
  'tick',
];

/** `application/problem+json`. */
export interface Problem {
  status: number;
  title: string;
  detail: string;
}
