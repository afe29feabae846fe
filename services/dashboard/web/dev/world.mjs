// A made-up system for the mock server: replicas with faults, a monitor that finds them, a voter, clients, an
// experiment. Believable enough to develop and photograph the page; nothing is measured here.

const iso = (ms) => new Date(ms).toISOString().replace('Z', '000Z');
const stamp = (ms) => ({ at: iso(ms), mono_ns: Math.round((ms - 1.7e12) * 1e6) });
const noise = (mean, spread) => Math.max(0, mean + (Math.random() - 0.5) * 2 * spread);
const THRESHOLD = 15.01;

/** What each fault looks like to the monitor: the kind of reason, milliseconds to detect, and its sentence. */
const SIGNS = {
  crash: ['unreachable', 9, 'accrual at 17.1 of 15.0 nats within 4 ms: 3 × unreachable (health check)', 'unreachable'],
  latency: ['late', 168, 'accrual at 18.2 of 15.0 nats within 165 ms: 9 × late (voter-svc), 5 × late (health check)', 'late'],
  intermittent: ['errors', 86, 'accrual at 16.4 of 15.0 nats within 84 ms: 4 × error (voter-svc), 1 × error (health check)', 'error'],
  incorrect: ['dissent', 31, 'dissent: PROD-001 at version 1042: said available 1031 reserved 50, agreed available 950 reserved 50 (voter-svc)', null],
  freeze: ['late', 171, 'accrual at 17.1 of 15.0 nats within 160 ms: 7 × late (voter-svc), 3 × late (health check)', 'late'],
  stale: ['stale', 639, 'accrual at 17.1 of 15.0 nats within 130 ms: 3 × stale (health check)', 'stale'],
};

export class World {
  constructor({ replicas = 3, token = false, injection = true, experiments = true, ahead = 0, emit = () => {} } = {}) {
    this.emit = emit;
    // Milliseconds that the dashboard's clock is ahead of the services'.
    this.ahead = ahead;
    this.started = Date.now() - 47 * 60_000;
    this.system = {
      replicas, injection, token, experiments,
      scenarios: [
        { name: 'classic', about: 'The experiment that `tolerancia experiment` carries out when no scenario is named: all six faults, one at a time, each on a random replica at a random moment of the check cycle, the trials in a random order. Everything that can be set has its default here, or stands as an example after a #; `tolerancia scenario schema` prints all of it for machines, `tolerancia scenario check FILE` says what is wrong in a file.' },
        { name: 'compare', about: 'Two detectors, live, trial by trial.' },
        { name: 'gray', about: 'Faults that only clients or only health checks see.' },
      ],
    };
    const up = (pid) => ({ up: true, since: iso(this.started + ahead), state: 'UP', details: {}, pid, error: null });
    this.sources = { 'monitor-svc': up(4104), 'voter-svc': up(4105), 'orders-svc': up(4106) };
    this.quorum = Math.floor(replicas / 2) + 1;
    this.replicas = Array.from({ length: replicas }, (_, n) => ({
      id: String(n + 1), pid: 4101 + n, applied: 48_210, lag: 0, level: 0, down: null, catching: null,
      status: {
        service: 'inventory-svc', instance: String(n + 1), status: 'ON', phase: 'on', pid: 4101 + n,
        reason: { kind: 'initial', text: 'innocent until proven guilty' }, since: stamp(this.started),
      },
    }));
    Object.assign(this, {
      suspicion: [], requests: [], votes: [], disagreements: [], failures: [], faults: [], experiment: null,
      seq: 1_790_000_000_000_000, disagreement: 0, plans: [], tickN: 0,
    });
    this.folders = [
      ['2026-03-02T09-14-51', 'classic', 'pass', 46.9], ['2026-03-01T17-40-03', 'gray', 'pass', 112.4],
      ['2026-03-01T17-22-10', 'compare', 'fail', 660.2], ['2026-02-27T11-05-44', 'classic', null, 18.1],
    ].map(([name, scenario, verdict, duration_s], n) => ({
      name, scenario, verdict, duration_s, seed: 2_185_269_960 + n, report: verdict !== null,
      started_at: iso(Date.now() - (n + 1) * 31e6),
    }));
    this.past();
  }

  snapshot(epoch) {
    const { system, sources, suspicion, requests, votes, disagreements, failures, faults, experiment, folders } = this;
    return {
      epoch, version: '0.0.0-mock', system, sources, status: this.status(), replicas: this.views(),
      suspicion, requests, votes, disagreements, failures, faults, experiment, folders,
    };
  }

  status() {
    const on = this.replicas.filter((one) => one.status.status === 'ON').length;
    return {
      replicas: this.replicas.length, quorum: this.quorum, on, quorum_lost: on < this.quorum, detector: 'accrual',
      instances: this.replicas.map((one) => one.status),
    };
  }

  views() {
    return this.replicas.map((one) => ({
      instance: one.id, pid: one.pid, applied: one.applied, lag: one.lag,
      health: one.down ? null : one.catching ? 'CATCHING_UP' : 'UP',
      check_ms: one.down ? null : this.has(one, 'latency') ? noise(1_000, 400) : noise(0.7, 0.3),
    }));
  }

  has(replica, fault) {
    return this.faults.some((one) => one.instance === replica.id && one.active && one.fault === fault);
  }

  /** Five minutes of calm, and some failures before. */
  past() {
    const now = Date.now();
    const at = Math.floor(now / 1_000);
    for (let second = at - 299; second < at; second += 1) {
      const age = at - second;
      const fault = age < 200 && age > 188 ? 'latency' : age < 120 && age > 113 ? 'incorrect' : null;
      this.requests.push(...this.requestRows(second, fault));
      this.votes.push(this.voteRow(second, fault));
    }
    for (let ms = now - 60_000; ms < now; ms += 200) this.suspicion.push(this.suspicionRow(ms));
    const kinds = ['crash', 'stale', 'intermittent', 'freeze', 'crash', 'latency', 'incorrect'];
    kinds.forEach((fault, n) => {
      const begin = n === 5 ? now - 200_000 : n === 6 ? now - 120_000 : now - (kinds.length - n) * 260_000 - 3e5;
      const replica = this.replicas[(n * 2 + 1) % this.replicas.length];
      const length = fault === 'crash' ? 0 : n === 5 ? 12_000 : 7_000;
      this.faults.unshift({
        instance: replica.id, fault, spec: null, activated_at: stamp(begin),
        cleared_at: fault === 'crash' ? null : stamp(begin + length), active: false,
      });
      const [, ms] = SIGNS[fault];
      const ttr = length + noise(1_450, 300) + (fault === 'crash' ? 900 : 0);
      this.off(replica, fault, begin + ms, ms);
      this.move(replica, 'OFF', 'probation', begin + ttr - 1_000, { kind: 'quarantine_over', text: 'the quarantine is over; good checks in a row bring it back' });
      this.back(replica, begin + ttr, ttr);
    });
    for (const product of ['PROD-001', 'PROD-001']) this.disagree(product, this.replicas[0], now - 116_000, 90);
    this.failures.splice(0, 0);
  }

  // The monitor.

  off(replica, fault, ms, ttd) {
    const [kind, , text, what] = SIGNS[fault];
    const evidence = what === null ? [] : [165, 110, 55, 0].map((before, n) => ({
      at: iso(ms - before), ms_before: before + 0.4, what, from: n % 2 ? 'health check' : 'voter-svc',
      count: n === 1 ? 3 : 1, weight: 1, likelihood: 5.7,
    }));
    this.move(replica, 'OFF', 'quarantine', ms, { kind, text, evidence }, { quarantine_ms: 400, ttd_ms: ttd + Math.random() });
  }

  back(replica, ms, ttr) {
    const off = this.failures.find((one) => one.instance === replica.id && one.from === 'ON');
    this.move(replica, 'ON', 'on', ms, { kind: 'recovered', text: '5 good checks in a row, none bad for 812 ms' });
    if (!off) return;
    off.ttr_ms = ttr;
    this.emit('times', { seq: off.seq, ttd_ms: off.ttd_ms, ttr_ms: ttr });
  }

  move(replica, to, phase, ms, reason, more = {}) {
    const from = replica.status.status;
    const since = from === to ? replica.status.since : stamp(ms);
    replica.status = { ...replica.status, status: to, phase, reason, since };
    const { ttd_ms, ...rest } = more;
    const transition = {
      seq: (this.seq += 1), ...stamp(ms), service: 'inventory-svc', instance: replica.id, from, to, phase, reason,
      quorum_lost: this.status().quorum_lost, ...rest,
    };
    this.failures.unshift(ttd_ms === undefined ? transition : { ...transition, ttd_ms });
    this.failures.length = Math.min(this.failures.length, 500);
    this.emit('transition', transition);
    if (ttd_ms !== undefined) this.emit('times', { seq: transition.seq, ttd_ms });
  }

  // Faults.

  inject({ instance, ...spec }) {
    const replica = this.replicas.find((one) => one.id === instance);
    const now = Date.now() + 10;
    const window = { instance, fault: spec.fault, spec, activated_at: stamp(now), cleared_at: null, active: spec.fault !== 'crash' };
    this.faults.unshift(window);
    this.emit('fault', window);
    const [, ttd] = SIGNS[spec.fault];
    if (spec.fault === 'crash') {
      replica.down = now;
      this.later(1_000, () => Object.assign(replica, { down: null, catching: Date.now(), pid: replica.pid + 40, lag: 214 }));
      // Long enough for a view, of which there is one a second.
      this.later(2_300, () => Object.assign(replica, { catching: null, lag: 0 }));
      this.later(3_000, () => replica.status.status === 'OFF' && this.back(replica, Date.now(), Date.now() - now));
    }
    if (spec.fault === 'freeze') replica.down = now;
    this.later(ttd, () => replica.status.status === 'ON' && this.off(replica, spec.fault, Date.now(), ttd));
    return window;
  }

  clear(instance) {
    for (const window of this.faults) {
      if (!window.active || (instance !== null && window.instance !== instance)) continue;
      Object.assign(window, { active: false, cleared_at: stamp(Date.now()) });
      const replica = this.replicas.find((one) => one.id === window.instance);
      Object.assign(replica, { down: null, lag: 0 });
      this.emit('fault', { ...window });
      const begin = Date.parse(window.activated_at.at);
      this.later(600, () => {
        if (replica.status.phase !== 'quarantine' || this.sick(replica)) return;
        this.move(replica, 'OFF', 'probation', Date.now(), { kind: 'quarantine_over', text: 'the quarantine is over; good checks in a row bring it back' });
      });
      this.later(1_600, () => {
        if (replica.status.status === 'OFF' && !this.sick(replica)) this.back(replica, Date.now(), Date.now() - begin);
      });
    }
  }

  sick(replica) {
    return this.faults.some((one) => one.instance === replica.id && one.active);
  }

  later(ms, what) {
    this.plans.push({ at: Date.now() + ms, what });
  }

  // The voter and the clients.

  suspicionRow(ms) {
    const levels = this.replicas.map((one) => {
      const sick = this.sick(one) || one.down !== null;
      one.level = sick ? Math.min(one.level + noise(4, 2), THRESHOLD * 1.7) : Math.max(0, one.level - 3);
      return Number((one.level + (Math.random() < 0.04 ? noise(3, 2) : 0)).toFixed(3));
    });
    return { at: iso(ms), detector: 'accrual', threshold: THRESHOLD, levels };
  }

  requestRows(second, past = null) {
    const lost = past === null && this.status().quorum_lost;
    const slow = past === 'latency' || this.replicas.some((one) => this.has(one, 'latency'));
    const row = (service, rate, p50) => {
      const count = Math.round(noise(rate, rate * 0.06));
      const quick = noise(p50, p50 * 0.2);
      const tail = slow && service === 'inventory-svc' ? 300 : slow ? 1.6 : 1;
      return {
        second, service, count, failed: lost && service === 'voter-svc' ? count : lost ? Math.round(count * 0.9) : 0,
        p50_us: Math.round(lost ? 300_000 : quick), p95_us: Math.round(lost ? 301_000 : noise(quick * 2.4, quick * 0.4) * tail),
        p99_us: Math.round(lost ? 303_000 : noise(quick * 4.2, quick) * tail), max_us: 320_000,
      };
    };
    return [row('voter-svc', 50, 640), row('orders-svc', 10, 4_200), row('inventory-svc', 150, 210)];
  }

  voteRow(second, past = null) {
    const clients = Math.round(noise(50, 3));
    const all = clients + 8;
    const lost = past === null && this.status().quorum_lost;
    const off = past === 'latency' || this.replicas.some((one) => one.status.status === 'OFF');
    const lies = past === 'incorrect' || this.replicas.some((one) => this.has(one, 'incorrect'));
    const lags = this.replicas.some((one) => this.has(one, 'stale'));
    const dissenting = lies ? Math.round(all / 3) : 0;
    return {
      second, clients, scrubs: 8, agreed: off ? 0 : all - dissenting, dissenting,
      stale: lags ? Math.round(all / 2) : Math.random() < 0.05 ? 1 : 0, missing: off ? all : 0, no_quorum: lost ? all : 0,
    };
  }

  disagree(product, liar, ms, count, kind = 'dissents') {
    const truth = { available: 950, reserved: 50 };
    const lost = kind === 'undecided';
    const row = {
      id: (this.disagreement += 1), first: iso(ms - 900), last: iso(ms), count, product, no_quorum: lost,
      version: lost ? null : 1_042, stock: lost ? null : truth,
      voices: this.replicas.map((one) => {
        if (one === liar && kind === 'dissents') {
          return { instance: one.id, answer: 'ok', on: false, newest: { version: 1_042, available: 1_031, reserved: 50 }, standing: 'dissents' };
        }
        if (one === liar && kind === 'stale') {
          return { instance: one.id, answer: 'ok', on: true, newest: { version: 1_017, available: 960, reserved: 40 }, standing: 'stale' };
        }
        const off = one.status.status === 'OFF';
        if (off && lost) return { instance: one.id, answer: 'timeout', on: false, standing: 'undecided' };
        return { instance: one.id, answer: 'ok', on: !off, newest: product && { version: 1_042, ...truth }, standing: lost ? 'undecided' : 'agrees' };
      }),
    };
    this.disagreements.unshift(row);
    this.disagreements.length = Math.min(this.disagreements.length, 50);
    this.emit('disagreement', row);
  }

  // An experiment.

  start({ scenario, quick, seed = null }) {
    this.experiment = {
      running: true, scenario, quick, seed, folder: iso(Date.now()).slice(0, 19).replaceAll(':', '-'), started_at: iso(Date.now()),
      step: 'starting', done: 0, of: 18, left_s: null, lines: [`starting 7 processes: ${'replica '.repeat(30)}`], exit_code: null, verdict: null, error: null,
    };
    this.emit('experiment', this.experiment);
    // A running one has a report of what it has so far.
    const { folder: name, started_at } = this.experiment;
    this.folders.unshift({ name, started_at, scenario, verdict: null, duration_s: 0, seed, report: true });
    this.emit('folders', this.folders);
    return this.experiment;
  }

  stop() {
    this.end(130, null, ['interrupted: clearing faults']);
  }

  end(exit_code, verdict, lines) {
    const of = this.experiment;
    this.experiment = { ...of, running: false, step: 'ended', exit_code, verdict, left_s: null, lines: [...of.lines, ...lines].slice(-30) };
    this.emit('experiment', this.experiment);
    Object.assign(this.folders[0], { verdict, duration_s: (Date.now() - Date.parse(of.started_at)) / 1_000 });
    this.emit('folders', this.folders);
  }

  advance() {
    const of = this.experiment;
    if (!of?.running) return;
    const age = (Date.now() - Date.parse(of.started_at)) / 1_000;
    const done = Math.min(of.of, Math.max(0, Math.floor((age - 6) / 2.5)));
    const step = age < 2 ? 'starting' : age < 6 ? 'baseline' : done < of.of ? 'trials' : 'finishing';
    const lines = done === of.done ? of.lines : [...of.lines, `trial ${done} of ${of.of}: latency in 2, OFF after ${Math.round(noise(168, 20))} ms`].slice(-30);
    this.experiment = { ...of, step, done, lines, left_s: step === 'starting' ? null : Math.max(0, 53 - age) };
    if (age > 53) this.end(0, 'pass', ['PASS in 52.9 s']);
    else this.emit('experiment', this.experiment);
  }

  /** Five times a second. */
  tick() {
    const now = Date.now();
    const due = this.plans.filter((plan) => plan.at <= now);
    this.plans = this.plans.filter((plan) => plan.at > now);
    for (const plan of due) plan.what();
    this.tickN += 1;
    const monitor = this.sources['monitor-svc'].up;
    const voter = this.sources['voter-svc'].up;
    if (monitor) {
      const row = this.suspicionRow(now);
      this.suspicion.push(row);
      if (this.suspicion.length > 300) this.suspicion.shift();
      this.emit('suspicion', row);
    }
    if (this.tickN % 5 !== 0) return;
    this.emit('tick', { at: iso(now + this.ahead) });
    const second = Math.floor(now / 1_000) - 1;
    for (const one of this.replicas) {
      if (one.down || this.has(one, 'stale')) one.lag += 10;
      else one.applied += 10;
    }
    if (monitor) {
      this.emit('replicas', this.views());
      const rows = this.requestRows(second);
      this.requests.push(...rows);
      if (this.requests.length > 900) this.requests.splice(0, rows.length);
      this.emit('requests', rows);
    }
    if (voter) {
      const row = this.voteRow(second);
      this.votes.push(row);
      if (this.votes.length > 300) this.votes.shift();
      this.emit('votes', row);
      const liar = this.replicas.find((one) => this.has(one, 'incorrect'));
      const late = this.replicas.find((one) => this.has(one, 'stale'));
      if (this.status().quorum_lost) this.disagree(this.tickN % 20 === 0 ? null : 'PROD-002', null, now, 19, 'undecided');
      else if (liar) this.disagree('PROD-001', liar, now, 17);
      else if (late) this.disagree('PROD-003', late, now, 12, 'stale');
    }
    this.advance();
  }

  source(name, up) {
    const state = up ? 'UP' : null;
    this.sources[name] = { ...this.sources[name], up, state, since: iso(Date.now() + this.ahead), error: up ? null : `http://127.0.0.1:5005/live: error sending request: connection refused (os error 111): ${name} is started anew by its supervisor within a second` };
    this.emit('source', { name, ...this.sources[name] });
  }
}
