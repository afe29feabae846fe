// English. The type of this dictionary is what every other language must fill.
import type { FaultName, HealthState, Phase, ReasonKind, Standing } from '../wire';

type Step = 'starting' | 'baseline' | 'trials' | 'finishing' | 'ended';
type Seen = 'good' | 'unreachable' | 'late' | 'error' | 'stale';

export interface Words {
  title: string;
  connecting: string;
  live: string;
  reconnecting: string;
  asOf: (time: string) => string;
  noData: string;
  none: string;
  show: (n: number) => string;
  showLess: string;
  source: { state: Record<HealthState, string>; since: (time: string) => string };
  quorumLost: string;
  quorumLostText: (on: number, quorum: number) => string;
  quorumBack: string;
  glance: {
    title: string;
    instance: (n: string) => string;
    quorum: (on: number, all: number, quorum: number) => string;
    phase: Record<Phase, string>;
    catchingUp: string;
    silent: string;
    since: (time: string) => string;
    applied: string;
    lag: string;
    check: string;
    suspicion: string;
    events: (n: string, one: boolean) => string;
    evidence: string;
    reason: Record<ReasonKind, string>;
    activeFault: (fault: string) => string;
    clue: { before: string; what: string; from: string; adds: string };
    seen: Record<Seen, string>;
    verdict: (n: string, verdict: string, reason: string) => string;
  };
  suspicion: { title: string; threshold: string; about: (detector: string) => string; window: string };
  votes: {
    title: string;
    agreed: string;
    dissenting: string;
    stale: string;
    missing: string;
    noQuorum: string;
    total: string;
  };
  disagreements: {
    title: string;
    empty: string;
    kind: { dissent: string; stale: string; no_quorum: string };
    times: (n: string) => string;
    allProducts: string;
    allDecided: string;
    decided: string;
    undecided: string;
    notAll: string;
    decidedNothing: string;
    stock: (available: string, reserved: string) => string;
    version: (n: string) => string;
    contradicts: (who: string, one: boolean) => string;
    standing: Record<Standing, string>;
    nothing: string;
    answer: { unreachable: string; timeout: string; 'not asked': string };
  };
  client: {
    title: string;
    service: string;
    services: { 'voter-svc': string; 'orders-svc': string; 'inventory-svc': string };
    rate: string;
    rateChart: string;
    latencyChart: string;
    requests: string;
    failed: string;
    success: string;
    perSecond: (n: string) => string;
    last: string;
    fiveMinutes: string;
  };
  failures: {
    title: string;
    empty: string;
    emptyFilter: string;
    instance: string;
    fault: string;
    all: string;
    unknown: string;
    phases: string;
    time: string;
    change: string;
    why: string;
    ttd: string;
    ttr: string;
    ttdLong: string;
    ttrLong: string;
  };
  fault: Record<FaultName, string>;
  faultAbout: Record<FaultName, string>;
  inject: {
    title: string;
    instance: string;
    kind: string;
    latency: string;
    latencyHint: string;
    probability: string;
    probabilityHint: string;
    product: string;
    scope: string;
    scopes: { all: string; queries: string; health: string };
    go: string;
    going: string;
    done: (fault: string, n: string) => string;
    active: string;
    nothing: string;
    clear: string;
    clearLabel: (fault: string, n: string, several: boolean) => string;
    clearAll: string;
    since: (duration: string) => string;
    quorum: string;
  };
  experiments: {
    title: string;
    scenario: string;
    more: string;
    quick: string;
    quickHint: string;
    trials: string;
    trialsHint: string;
    seed: string;
    seedHint: string;
    start: string;
    stop: string;
    stopping: string;
    step: Record<Step, string>;
    progress: (done: string, of: string) => string;
    left: (duration: string) => string;
    leftUnknown: string;
    log: string;
    pass: string;
    fail: string;
    aborted: string;
    running: string;
    exit: (code: string) => string;
    results: string;
    noResults: string;
    noReport: string;
    newTab: string;
    report: (name: string) => string;
  };
  token: { title: string; text: string; wrong: string; label: string; ok: string; cancel: string };
  error: {
    inject: string;
    clear: string;
    start: string;
    stop: string;
    unreachable: string;
    dismiss: string;
  };
  chart: { of: (name: string, values: string) => string; faults: (names: string) => string };
}

export const en: Words = {
  title: 'Live view',
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  asOf: (time) => `as of ${time}`,
  noData: 'No data yet',
  none: '–',
  show: (n) => `Show ${n} more`,
  showLess: 'Show fewer',
  source: {
    state: { UP: 'up', DEGRADED: 'degraded', CATCHING_UP: 'catching up', DOWN: 'down' },
    since: (time) => `since ${time}`,
  },
  quorumLost: 'Quorum lost',
  quorumLostText: (on, quorum) =>
    `${on} ${on === 1 ? 'instance is' : 'instances are'} ON and ${quorum} are needed. No unverified answer is served: clients get 503.`,
  quorumBack: 'There is a quorum again.',
  glance: {
    title: 'System at a glance',
    instance: (n) => `Instance ${n}`,
    quorum: (on, all, quorum) => `${on} of ${all} ON, quorum is ${quorum}`,
    phase: { on: 'its votes count', quarantine: 'in quarantine', probation: 'on probation' },
    catchingUp: 'catching up',
    silent: 'does not answer',
    since: (time) => `since ${time}`,
    applied: 'Applied',
    lag: 'Lag',
    check: 'Check',
    suspicion: 'Suspicion',
    events: (n, one) => `${n} ${one ? 'event' : 'events'}`,
    evidence: 'Evidence',
    reason: {
      unreachable: 'The connection was lost or refused.',
      late: 'It answered late or not at all.',
      errors: 'It answered with errors.',
      dissent: 'It lied: the majority contradicts it at the same version.',
      stale: 'It fell behind the majority, or stopped reading its log.',
      quarantine_over: 'The quarantine is over; it has to prove itself.',
      recovered: 'Good checks in a row brought it back.',
      initial: 'First verdict since the monitor started.',
    },
    activeFault: (fault) => `injected: ${fault}`,
    clue: { before: 'Before', what: 'Seen', from: 'By', adds: 'Adds' },
    seen: { good: 'good', unreachable: 'unreachable', late: 'late', error: 'error', stale: 'stale' },
    verdict: (n, verdict, reason) => `Instance ${n} is ${verdict}. ${reason}`,
  },
  suspicion: {
    title: 'Suspicion',
    threshold: 'threshold',
    about: (detector) => `level of the detector ${detector}, as a share of the threshold that turns an instance OFF`,
    window: 'last 60 s',
  },
  votes: {
    title: 'Votes per second',
    agreed: 'all agree',
    dissenting: 'dissenting',
    stale: 'stale',
    missing: 'missing',
    noQuorum: 'no quorum',
    total: 'total',
  },
  disagreements: {
    title: 'Last disagreements',
    empty: 'No disagreement so far.',
    kind: { dissent: 'Lie', stale: 'Lag', no_quorum: 'No quorum' },
    times: (n) => `${n} votes`,
    allProducts: 'all products',
    allDecided: 'Every product was decided.',
    decided: 'Decided',
    undecided: 'Nothing was decided.',
    notAll: 'Not all products were decided.',
    decidedNothing: 'there is no such product',
    stock: (available, reserved) => `${available} available, ${reserved} reserved`,
    version: (n) => `version ${n}`,
    contradicts: (who, one) => `${one ? 'Instance' : 'Instances'} ${who} ${one ? 'contradicts' : 'contradict'} it`,
    standing: {
      agrees: 'agrees',
      ahead: 'is ahead',
      stale: 'lags',
      dissents: 'contradicts',
      missing: 'no answer',
      not_asked: 'not asked',
      undecided: 'undecided',
    },
    nothing: 'no such product',
    answer: { unreachable: 'unreachable', timeout: 'no answer in time', 'not asked': 'OFF, not asked' },
  },
  client: {
    title: 'What clients see',
    service: 'Service',
    services: {
      'voter-svc': 'Voted queries (voter-svc)',
      'orders-svc': 'Orders (orders-svc)',
      'inventory-svc': 'Replicas (inventory-svc)',
    },
    rate: 'Rate',
    rateChart: 'Requests per second',
    latencyChart: 'Time to answer',
    requests: 'requests',
    failed: 'failed',
    success: 'Success',
    perSecond: (n) => `${n}/s`,
    last: 'last second',
    fiveMinutes: '5 min',
  },
  failures: {
    title: 'Failure history',
    empty: 'No verdict has changed yet.',
    emptyFilter: 'Nothing matches the filter.',
    instance: 'Instance',
    fault: 'Fault',
    all: 'all',
    unknown: 'none known',
    phases: 'Changes of phase too',
    time: 'Time',
    change: 'Change',
    why: 'Reason',
    ttd: 'TTD',
    ttr: 'TTR',
    ttdLong: 'Time to detect: from the fault to OFF',
    ttrLong: 'Time to recovery: from the fault to ON again',
  },
  fault: {
    crash: 'crash',
    latency: 'latency',
    intermittent: 'intermittent',
    incorrect: 'incorrect',
    freeze: 'freeze',
    stale: 'stale',
  },
  faultAbout: {
    crash: 'The process dies at once; the supervisor restarts it after 1 s.',
    latency: 'Every answer is delayed.',
    intermittent: 'Answers are errors (5xx) now and then.',
    incorrect: 'The stock of one product is reported wrong.',
    freeze: 'The process stands still: sockets stay open, nothing answers.',
    stale: 'It stops consuming its log but keeps answering.',
  },
  inject: {
    title: 'Fault injection',
    instance: 'Instance',
    kind: 'Fault',
    latency: 'Latency, ms',
    latencyHint: '500–1500',
    probability: 'Probability',
    probabilityHint: 'above 0, at most 1',
    product: 'Product',
    scope: 'Acts on',
    scopes: { all: 'everything', queries: 'queries only', health: 'health checks only' },
    go: 'Inject',
    going: 'Injecting…',
    done: (fault, n) => `Injected: ${fault} in instance ${n}.`,
    active: 'Active faults',
    nothing: 'None.',
    clear: 'Clear',
    clearLabel: (fault, n, several) =>
      several ? `Clear all faults of instance ${n}` : `Clear ${fault} of instance ${n}`,
    clearAll: 'Clear all',
    since: (duration) => `for ${duration}`,
    quorum: 'If this instance falls too, the quorum is lost.',
  },
  experiments: {
    title: 'Experiments',
    scenario: 'Scenario',
    more: 'More',
    quick: 'Quick',
    quickHint: 'three trials, short baseline',
    trials: 'Trials',
    trialsHint: 'as in the scenario',
    seed: 'Seed',
    seedHint: 'random',
    start: 'Start',
    stop: 'Stop',
    stopping: 'Stopping…',
    step: {
      starting: 'Starting',
      baseline: 'Measuring the healthy system',
      trials: 'Trials',
      finishing: 'Finishing',
      ended: 'Ended',
    },
    progress: (done, of) => `${done} of ${of}`,
    left: (duration) => `about ${duration} left`,
    leftUnknown: 'time left not known yet',
    log: 'Last lines',
    pass: 'pass',
    fail: 'fail',
    aborted: 'no verdict',
    running: 'running',
    exit: (code) => `exit code ${code}`,
    results: 'Results',
    noResults: 'No experiment yet.',
    noReport: 'no report',
    newTab: 'opens in a new tab',
    report: (name) => `Report of ${name}`,
  },
  token: {
    title: 'Token required',
    text: 'This system asks for its fault token (FAULT_TOKEN) before it changes anything. It is kept until this tab is closed.',
    wrong: 'That is not the token.',
    label: 'Token',
    ok: 'Continue',
    cancel: 'Cancel',
  },
  error: {
    inject: 'The fault could not be injected.',
    clear: 'The faults could not be cleared.',
    start: 'The experiment could not be started.',
    stop: 'The experiment could not be stopped.',
    unreachable: 'The dashboard does not answer.',
    dismiss: 'Dismiss',
  },
  chart: { of: (name, values) => `${name}: ${values}`, faults: (names) => `. Faults in view: ${names}` },
};
