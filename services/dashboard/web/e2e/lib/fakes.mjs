// A monitor and a voter that are only their interfaces to a live view: `/live`, `/health`, `/failures`, `/status`. What
// they tell is up to the test. The types are those of crates/wire/src/live.rs.
import { createServer } from 'node:http';

const VERSION = '0.0.0';

/** What the streams, with their ids, have in common. */
class Service {
  /** Called for each new listener after its `hello`: writes what is known. */
  greet = () => {};

  constructor(name) {
    this.name = name;
    this.listeners = new Set();
    this.routes = {
      '/health': () => ({
        status: 'UP',
        service: name,
        instance: '1',
        pid: process.pid,
        version: VERSION,
        uptime_s: 1,
      }),
    };
    this.asked = [];
    this.server = createServer((request, answer) => this.#serve(request, answer));
  }

  async listen() {
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', resolve);
    });
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  #serve(request, answer) {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (this.asked.length < 1000) this.asked.push(`${request.method} ${request.url}`);
    if (pathname === '/live') {
      answer.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      answer.write(frame('hello', { service: this.name, version: VERSION, pid: process.pid }));
      this.greet((event, data, id) => answer.write(frame(event, data, id)));
      this.listeners.add(answer);
      answer.on('close', () => this.listeners.delete(answer));
      return;
    }
    const route = this.routes[pathname];
    answer.writeHead(route ? 200 : 404, { 'content-type': 'application/json' });
    answer.end(
      JSON.stringify(route ? route() : { type: 'about:blank', title: 'Not Found', status: 404, detail: pathname }),
    );
  }

  /** Tells all listeners these events, each `[event, data, id?]`; returns when the kernel has them. */
  async tell(events) {
    const text = events.map(([event, data, id]) => frame(event, data, id)).join('');
    await Promise.all([...this.listeners].map((listener) => new Promise((done) => listener.write(text, () => done()))));
  }

  async close() {
    for (const listener of this.listeners) listener.destroy();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

function frame(event, data, id) {
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}

/** When this host was started, as far as the fakes' monotonic clock is concerned. */
const STARTED = Date.now() - 48 * 3_600_000;
const rfc = (ms) => new Date(ms).toISOString().replace('Z', '000Z');
/** An instant, given in milliseconds of Unix time. */
export const stamp = (ms) => ({ at: rfc(ms), mono_ns: Math.round((ms - STARTED) * 1e6) });

/** A monitor that knows three instances and remembers what it told about them. */
export class Monitor extends Service {
  constructor() {
    super('monitor-svc');
    this.seq = 0;
    this.failures = [];
    this.instances = ['1', '2', '3'].map((instance) => ({
      service: 'inventory-svc',
      instance,
      status: 'ON',
      phase: 'on',
      reason: { kind: 'initial', text: 'the first verdict' },
      since: stamp(STARTED),
      pid: 1000 + Number(instance),
    }));
    this.routes['/failures'] = () => ({ failures: this.failures });
    this.routes['/status'] = () => this.status();
    this.greet = (write) => write('status', this.status());
  }

  status() {
    const on = this.instances.filter((one) => one.status === 'ON').length;
    return { replicas: 3, quorum: 2, on, quorum_lost: on < 2, detector: 'accrual', instances: this.instances };
  }

  /** A transition, as an event; it is remembered. */
  transition(ms, instance, to, phase, reason, more = {}) {
    const at = this.instances.findIndex((one) => one.instance === instance);
    const from = this.instances[at].status;
    this.instances[at] = { ...this.instances[at], status: to, phase, reason, since: stamp(ms) };
    this.seq += 1;
    const lost = this.status().quorum_lost;
    const data = {
      seq: this.seq,
      ...stamp(ms),
      service: 'inventory-svc',
      instance,
      from,
      to,
      phase,
      reason,
      quorum_lost: lost,
      ...more,
    };
    this.failures = [data, ...this.failures.slice(0, 499)];
    return ['transition', data, this.seq];
  }

  /** What the audit adds to an earlier transition, as an event. */
  times(seq, times) {
    const entry = this.failures.find((one) => one.seq === seq);
    if (entry) Object.assign(entry, times);
    return ['times', { seq, ...times }];
  }

  suspicion(ms, levels) {
    return ['suspicion', { at: rfc(ms), detector: 'accrual', threshold: 13.8, levels }];
  }

  replicas(applied, lag) {
    const one = (n) => ({
      instance: String(n + 1),
      health: 'UP',
      pid: 1001 + n,
      applied,
      lag: lag[n],
      check_ms: 0.4 + 0.1 * n,
    });
    return ['replicas', [0, 1, 2].map(one)];
  }

  requests(second, counts) {
    const row = ([service, count, failed, p50]) => ({
      second,
      service,
      count,
      failed,
      p50_us: p50,
      p95_us: p50 * 3,
      p99_us: p50 * 5,
      max_us: p50 * 9,
    });
    return ['requests', counts.map(row)];
  }

  fault(instance, fault, activatedMs, clearedMs) {
    const cleared = clearedMs === undefined ? null : stamp(clearedMs);
    return ['fault', { instance, fault, activated_at: stamp(activatedMs), cleared_at: cleared }];
  }
}

/** A voter. */
export class Voter extends Service {
  constructor() {
    super('voter-svc');
    this.id = 0;
  }

  votes(second, row) {
    const none = { clients: 0, scrubs: 0, agreed: 0, dissenting: 0, stale: 0, missing: 0, no_quorum: 0 };
    return ['votes', { second, ...none, ...row }, second];
  }

  /** A disagreement in which one instance lies about a product. */
  disagreement(ms, liar, version) {
    this.id += 1;
    const stock = { available: 990, reserved: 10 };
    const voice = (instance) => {
      const lies = instance === liar;
      const newest = { version, available: lies ? 997 : 990, reserved: 10 };
      return { instance, answer: 'ok', on: true, newest, standing: lies ? 'dissents' : 'agrees' };
    };
    const what = { product: 'PROD-001', no_quorum: false, version, stock };
    const data = { id: this.id, first: rfc(ms), last: rfc(ms + 200), count: 3, ...what };
    return ['disagreement', { ...data, voices: ['1', '2', '3'].map(voice) }];
  }
}
