// A system of the test's own: `tolerancia up` with everything that belongs to it.
import assert from 'node:assert/strict';
import { closeSync, createWriteStream, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { directory, ended, freeBase, marked, must, remove, start } from './processes.mjs';
import { until } from './wait.mjs';

/** Place of each service after the base port, with three replicas. */
const PLACE = {
  'inventory-svc/1': 0,
  'inventory-svc/2': 1,
  'inventory-svc/3': 2,
  'monitor-svc': 3,
  'voter-svc': 4,
  'orders-svc': 5,
  dashboard: 6,
};

export class System {
  /**
   * Starts a system and waits until it is ready.
   *
   * @param {{args?: string[], env?: Record<string, string>, prepare?: (dir: string) => void}} [how]
   */
  static async up({ args = [], env = {}, prepare } = {}) {
    const system = new System(directory(), await freeBase());
    prepare?.(system.dir);
    await system.#begin(args, env);
    return system;
  }

  constructor(dir, base) {
    this.dir = dir;
    this.base = base;
    this.env = { DATA_DIR: join(dir, 'data'), BASE_PORT: String(base) };
    this.loads = [];
  }

  async #begin(args, env) {
    mkdirSync(join(this.dir, 'data'), { recursive: true });
    this.env = { ...this.env, ...env };
    const own = ['up', '--base-port', String(this.base), '--data-dir', join(this.dir, 'data')];
    this.child = start([...own, ...args], { dir: this.dir, env });
    this.child.stderr.pipe(createWriteStream(join(this.dir, 'log')));
    let out = '';
    this.child.stdout.on('data', (chunk) => (out += chunk));
    const over = () => this.child.exitCode !== null || this.child.signalCode !== null;
    await until('the system is ready', () => (over() ? 'it ended' : out), {
      is: (seen) => /^ready in/m.test(seen) || seen === 'it ended',
      within: 60_000,
      about: () => this.log(),
    });
    assert.ok(!over(), `the system ended with ${this.child.exitCode ?? this.child.signalCode}:\n${this.log()}`);
  }

  /** Address of a service. */
  url(service) {
    return `http://127.0.0.1:${this.base + PLACE[service]}`;
  }

  /** Address of the page. */
  get page() {
    return `${this.url('dashboard')}/`;
  }

  /** The last lines that its processes wrote. */
  log(lines = 30) {
    return readFileSync(join(this.dir, 'log'), 'utf8').trim().split('\n').slice(-lines).join('\n');
  }

  /** JSON of a service, with any status; null if it does not answer. */
  async look(service, path) {
    try {
      const answer = await fetch(this.url(service) + path, { signal: AbortSignal.timeout(2000) });
      return { status: answer.status, body: await answer.json() };
    } catch {
      return null;
    }
  }

  /** The process of a service that answers 200. */
  async pid(service) {
    const health = await this.look(service, '/health');
    assert.equal(health?.status, 200, `${service} is not healthy: ${JSON.stringify(health)}`);
    return health.body.pid;
  }

  /** Kills a service and waits until another process of it answers. Returns when that was first seen. */
  async restart(service, meanwhile = async () => {}) {
    const before = await this.pid(service);
    process.kill(before, 'SIGKILL');
    await meanwhile();
    await until(`${service} answers again`, () => this.look(service, '/health'), {
      is: (health) => health?.status === 200 && health.body.pid !== before,
      within: 30_000,
      every: 10,
      about: () => this.log(),
    });
    return performance.now();
  }

  /** Verdicts as the monitor knows them: `{1: 'ON', …}`. */
  async verdicts() {
    const status = await this.look('monitor-svc', '/status');
    return Object.fromEntries((status?.body.instances ?? []).map((one) => [one.instance, one.status]));
  }

  /** Waits until all instances are ON. */
  async calm(within = 40_000) {
    const is = (verdicts) => Object.keys(verdicts).length === 3 && Object.values(verdicts).every((one) => one === 'ON');
    await until('all instances are ON', () => this.verdicts(), { is, within, every: 50, about: () => this.log() });
  }

  /** `tolerancia inject …`, which must succeed. */
  async inject(...args) {
    return must(['inject', ...args], { dir: this.dir, env: this.env });
  }

  /** Lets clients ask, until the end of the system at the latest. */
  load({ rps = 30, duration = 60 } = {}) {
    const args = ['load', 'both', '--rps', String(rps), '--duration', String(duration)];
    const log = openSync(join(this.dir, 'load.log'), 'a');
    const child = start(args, { dir: this.dir, env: this.env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.loads.push(child);
    return child;
  }

  /** Stops it in order, and checks that nothing is left. */
  async down() {
    const early = this.loads.filter((child) => (child.exitCode ?? child.signalCode ?? 0) !== 0);
    const why = early.length > 0 ? readFileSync(join(this.dir, 'load.log'), 'utf8') : '';
    for (const child of this.loads) {
      child.kill('SIGKILL');
      await ended(child);
    }
    this.child.kill('SIGINT');
    const code = await ended(this.child);
    const left = marked(this.dir);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    const log = this.log();
    if (!process.env.KEEP) remove(this.dir);
    assert.equal(code, 0, `the system did not end well:\n${log}`);
    assert.deepEqual(left, [], 'processes that outlived the system');
    assert.equal(why, '', 'the clients ended early');
  }
}
