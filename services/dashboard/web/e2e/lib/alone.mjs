// A real dashboard before a fake monitor and a fake voter.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { Monitor, Voter } from './fakes.mjs';
import { directory, ended, freeBase, marked, remove, residentKiB, start } from './processes.mjs';
import { until } from './wait.mjs';

export class Alone {
  /** Starts all three, and waits until the dashboard answers. */
  static async up() {
    const alone = new Alone();
    [alone.monitor, alone.voter] = await Promise.all([new Monitor().listen(), new Voter().listen()]);
    const base = await freeBase();
    alone.page = `http://127.0.0.1:${base + 6}/`;
    const data = join(alone.dir, 'data');
    mkdirSync(data);
    const urls = ['--monitor-url', alone.monitor.url, '--voter-url', alone.voter.url, '--orders-url', alone.voter.url];
    alone.child = start(['dashboard', '--base-port', String(base), '--data-dir', data, ...urls], { dir: alone.dir });
    const keep = (chunk) => (alone.log = (alone.log + chunk).slice(-4000));
    for (const stream of [alone.child.stdout, alone.child.stderr]) stream.on('data', keep);
    await until('the dashboard answers', async () => (await fetch(`${alone.page}health`)).status, {
      is: (status) => status === 200,
      within: 20_000,
      about: () => alone.log,
    });
    return alone;
  }

  constructor() {
    this.dir = directory();
    this.log = '';
  }

  /** Memory that the dashboard has at hand, MiB. */
  get residentMiB() {
    return residentKiB(this.child.pid) / 1024;
  }

  /** Stops all three, and checks that nothing is left. */
  async down() {
    this.child.kill('SIGTERM');
    const code = await ended(this.child);
    await Promise.all([this.monitor.close(), this.voter.close()]);
    const left = marked(this.dir);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    if (!process.env.KEEP) remove(this.dir);
    assert.equal(code, 0, `the dashboard did not end well:\n${this.log}`);
    assert.deepEqual(left, [], 'processes that outlived the dashboard');
  }
}
