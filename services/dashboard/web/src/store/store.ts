// All that the page knows. No DOM, no clock of its own: events in, state out. What it keeps is bounded, whatever comes.
import {
  type AuditEntry,
  type Disagreement,
  type EventName,
  type Events,
  type ExperimentState,
  type FaultWindow,
  type Folder,
  type ReplicaView,
  type RequestsSecond,
  type Snapshot,
  type Source,
  SOURCES,
  type SourceName,
  type Suspicion,
  type System,
  type SystemStatus,
  type Transition,
  type VotesSecond,
} from '../wire';
import { type Charted, Clocks } from './clock';
import { ordered } from './disagreements';
import { lastIndex, Ring, Seconds } from './ring';

export const WINDOW_S = 300;
/** A minute of suspicion at five a second, and a few for jitter. */
export const MOST_SUSPICION = 320;
export const MOST_DISAGREEMENTS = 50;
export const MOST_FAILURES = 500;
export const MOST_FAULTS = 200;
export const MOST_FOLDERS = 200;

export const CLIENT_SERVICES = ['voter-svc', 'orders-svc', 'inventory-svc'] as const;
export type ClientService = (typeof CLIENT_SERVICES)[number];

/** Parts of the state that are drawn apart. */
export type Slice =
  | 'system'
  | 'connection'
  | 'sources'
  | 'status'
  | 'replicas'
  | 'suspicion'
  | 'requests'
  | 'votes'
  | 'disagreements'
  | 'failures'
  | 'faults'
  | 'experiment'
  | 'folders'
  | 'clock';

export interface Sizes {
  suspicion: number;
  requests: number;
  votes: number;
  disagreements: number;
  failures: number;
  faults: number;
}

export class Store {
  epoch: string | null = null;
  version: string | null = null;
  system: System | null = null;
  sources: Partial<Record<SourceName, Source>> = {};
  status: SystemStatus | null = null;
  replicas: ReplicaView[] = [];
  readonly suspicion = new Ring<Suspicion>(MOST_SUSPICION);
  readonly requests: Record<ClientService, Seconds<RequestsSecond>> = {
    'voter-svc': new Seconds(WINDOW_S),
    'orders-svc': new Seconds(WINDOW_S),
    'inventory-svc': new Seconds(WINDOW_S),
  };
  readonly votes = new Seconds<VotesSecond>(WINDOW_S);
  disagreements: Disagreement[] = [];
  failures: AuditEntry[] = [];
  faults: FaultWindow[] = [];
  experiment: ExperimentState | null = null;
  folders: Folder[] = [];
  /** Milliseconds that the server's clock is ahead of this one. */
  skewMs = 0;
  private readonly clocks = new Clocks();

  /** Is told which parts changed; set by whoever draws. */
  changed: (slice: Slice) => void = () => {};

  /** Takes an event in. `nowMs` is this machine's clock. */
  apply<N extends EventName>(name: N, data: Events[N], nowMs: number): void {
    (this.on[name] as (data: Events[N], nowMs: number) => void)(data, nowMs);
  }

  /** What time it was for those who stamp these data when this machine's clock showed `nowMs`, Unix milliseconds. */
  time(of: Charted, nowMs: number): number {
    return this.clocks.at(of, nowMs) ?? nowMs + this.skewMs;
  }

  sizes(): Sizes {
    return {
      suspicion: this.suspicion.length,
      requests: CLIENT_SERVICES.reduce((sum, name) => sum + this.requests[name].length, 0),
      votes: this.votes.length,
      disagreements: this.disagreements.length,
      failures: this.failures.length,
      faults: this.faults.length,
    };
  }

  /** All that is known, in the form of a snapshot. */
  state(): Omit<Snapshot, 'epoch' | 'version' | 'system'> & { system: System | null } {
    return {
      system: this.system,
      sources: this.sources,
      status: this.status,
      replicas: this.replicas,
      suspicion: this.suspicion.toArray(),
      requests: CLIENT_SERVICES.flatMap((name) => this.requests[name].toArray()),
      votes: this.votes.toArray(),
      disagreements: this.disagreements,
      failures: this.failures,
      faults: this.faults,
      experiment: this.experiment,
      folders: this.folders,
    };
  }

  private readonly on: { [N in EventName]: (data: Events[N], nowMs: number) => void } = {
    snapshot: (data, nowMs) => this.snapshot(data, nowMs),
    source: ({ name, ...source }) => {
      if (!(SOURCES as readonly string[]).includes(name)) return;
      this.sources = { ...this.sources, [name]: source };
      this.changed('sources');
    },
    status: (data) => {
      this.status = data;
      this.changed('status');
    },
    transition: (data) => this.transition(data),
    times: ({ seq, ttd_ms, ttr_ms }) => {
      const at = this.failures.findIndex((entry) => entry.seq === seq);
      const entry = this.failures[at];
      if (!entry) return;
      // Both: what the audit does not know any more was another fault's.
      this.failures = replaced(this.failures, at, { ...entry, ttd_ms: ttd_ms ?? null, ttr_ms: ttr_ms ?? null });
      this.changed('failures');
    },
    suspicion: (data, nowMs) => {
      this.suspicion.push(data);
      this.clocks.suspicion(Date.parse(data.at), nowMs);
      this.changed('suspicion');
    },
    replicas: (data) => {
      this.replicas = data;
      this.changed('replicas');
    },
    requests: (data, nowMs) => {
      for (const row of data) this.request(row);
      const newest = data.reduce((max, { second }) => Math.max(max, second), -Infinity);
      this.clocks.requests(newest, nowMs);
      this.changed('requests');
    },
    votes: (data, nowMs) => {
      this.votes.put(data);
      this.clocks.votes(data.second, nowMs);
      this.changed('votes');
    },
    disagreement: (data) => {
      // The numbers begin anew with the voter's process, so the beginning belongs to the key.
      const others = this.disagreements.filter((other) => other.id !== data.id || other.first !== data.first);
      this.disagreements = ordered([data, ...others], MOST_DISAGREEMENTS);
      this.changed('disagreements');
    },
    fault: (data) => {
      this.faults = withFault(this.faults, data);
      this.changed('faults');
    },
    experiment: (data) => {
      this.experiment = data;
      this.changed('experiment');
    },
    folders: (data) => {
      this.folders = data.slice(0, MOST_FOLDERS);
      this.changed('folders');
    },
    tick: ({ at }, nowMs) => {
      const skewMs = Date.parse(at) - nowMs;
      // The way from the server takes a moment: only a real difference moves the clock.
      if (Number.isFinite(skewMs) && Math.abs(skewMs - this.skewMs) > 500) this.skewMs = skewMs;
      this.changed('clock');
    },
  };

  private snapshot(data: Snapshot, nowMs: number): void {
    this.epoch = data.epoch;
    this.version = data.version;
    this.system = data.system;
    this.sources = data.sources;
    this.status = data.status;
    this.replicas = data.replicas;
    this.suspicion.clear();
    for (const row of data.suspicion) this.suspicion.push(row);
    for (const name of CLIENT_SERVICES) this.requests[name].clear();
    for (const row of data.requests) this.request(row);
    this.votes.clear();
    for (const row of data.votes) this.votes.put(row);
    this.disagreements = ordered(data.disagreements, MOST_DISAGREEMENTS);
    this.failures = data.failures.slice(0, MOST_FAILURES);
    this.faults = data.faults.slice(0, MOST_FAULTS);
    this.experiment = data.experiment;
    this.folders = data.folders.slice(0, MOST_FOLDERS);
    this.hear(nowMs);
    for (const slice of ALL_SLICES) this.changed(slice);
  }

  /** The times of what is known, from its newest. When requests were told, the newest of them does not say. */
  private hear(nowMs: number): void {
    const suspicion = this.suspicion.last();
    const votes = this.votes.last;
    if (suspicion) this.clocks.suspicion(Date.parse(suspicion.at), nowMs);
    if (votes) this.clocks.votes(votes.second, nowMs);
    if (suspicion) return;
    const requests = CLIENT_SERVICES.map((name) => this.requests[name].last?.second ?? -Infinity);
    this.clocks.requests(Math.max(...requests), nowMs);
  }

  private request(row: RequestsSecond): void {
    (this.requests as Partial<Record<string, Seconds<RequestsSecond>>>)[row.service]?.put(row);
  }

  private transition(data: Transition): void {
    const newest = this.failures[0];
    const known = this.failures.findIndex((entry) => entry.seq === data.seq);
    if (known >= 0) {
      this.failures = replaced(this.failures, known, { ...this.failures[known], ...data });
    } else if (newest && newest.seq > data.seq) {
      // Late, after a reconnect: it goes to its place.
      const before = this.failures.findIndex((entry) => entry.seq < data.seq);
      const at = before < 0 ? this.failures.length : before;
      this.failures = [...this.failures.slice(0, at), data, ...this.failures.slice(at)].slice(0, MOST_FAILURES);
    } else {
      this.failures = [data, ...this.failures.slice(0, MOST_FAILURES - 1)];
    }
    this.changed('failures');
    this.verdict(data);
  }

  /** A transition moves the verdict that it is about, unless what is known of the instance is newer. */
  private verdict(data: Transition): void {
    const status = this.status;
    if (!status) return;
    const newer = this.failures.some((entry) => entry.instance === data.instance && entry.seq > data.seq);
    if (newer) return;
    const instances = status.instances.map((one) =>
      one.instance === data.instance
        ? {
            ...one,
            status: data.to,
            phase: data.phase,
            reason: data.reason,
            // A change of phase is no change of the verdict.
            since: data.from === data.to ? one.since : { at: data.at, mono_ns: data.mono_ns },
          }
        : one,
    );
    const on = instances.filter((one) => one.status === 'ON').length;
    this.status = { ...status, instances, on, quorum_lost: on < status.quorum };
    this.changed('status');
  }
}

const ALL_SLICES: readonly Slice[] = [
  'system',
  'sources',
  'status',
  'replicas',
  'suspicion',
  'requests',
  'votes',
  'disagreements',
  'failures',
  'faults',
  'experiment',
  'folders',
  'clock',
];

/** Two windows with the same key are the same fault. */
export function faultKey(window: FaultWindow): string {
  return `${window.instance} ${window.fault} ${window.activated_at.mono_ns}`;
}

/** The windows, newest first, with this one at its place. Of too many the oldest that is over goes first. */
function withFault(faults: readonly FaultWindow[], window: FaultWindow): FaultWindow[] {
  const key = faultKey(window);
  const known = faults.findIndex((other) => faultKey(other) === key);
  if (known >= 0) return replaced(faults, known, window);
  const { at } = window.activated_at;
  const before = faults.findIndex((other) => other.activated_at.at < at);
  const all = [...faults];
  all.splice(before < 0 ? all.length : before, 0, window);
  if (all.length <= MOST_FAULTS) return all;
  const over = lastIndex(all, (other) => !other.active);
  all.splice(over < 0 ? all.length - 1 : over, 1);
  return all;
}

/** A copy with another value at this place. */
function replaced<T>(all: readonly T[], at: number, by: T): T[] {
  const copy = [...all];
  copy[at] = by;
  return copy;
}
