// The page stays open while the monitor, the voter and the dashboard itself are killed: it says so, and is live and
// right within 3 s after each answers again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Dash, REFUSED, launch } from './lib/page.mjs';
import { System } from './lib/system.mjs';
import { until } from './lib/wait.mjs';

/** From the service's first good health answer to a page that is right. */
const RIGHT_MS = 3000;
const BACK_MS = 25_000;

let browser;
let system;
let dash;

before(async () => {
  [browser, system] = await Promise.all([launch(), System.up()]);
  // While there is no dashboard, Chromium tells the console of each attempt of its own accord.
  dash = await Dash.open(browser, system.page, { allow: [REFUSED] });
  system.load({ rps: 20, duration: 120 });
  await dash.ready();
});

after(async () => {
  await browser?.close();
  await system?.down();
});

/** Waits until the page says that a source is `state`. */
const source = (name, state, within) =>
  until(`the page says that ${name} is ${state}`, () => dash.data(`source-${name}`, 'state'), {
    is: (seen) => seen === state,
    within,
    about: () => dash.seen(),
  });

/** Waits until the page is live, all services are up, and its verdicts are the monitor's; at most 3 s after `since`. */
async function right(since, t) {
  const both = async () => ({ page: await dash.seen(), monitor: await system.verdicts() });
  await until("the page is live, and its verdicts are the monitor's", both, {
    is: ({ page, monitor }) =>
      page.connection === 'live' &&
      Object.values(page.sources).every((state) => state === 'up') &&
      Object.keys(monitor).length === 3 &&
      JSON.stringify(page.verdicts) === JSON.stringify(monitor),
    within: Math.max(RIGHT_MS - (performance.now() - since), 0),
    about: () => system.log(),
  });
  t.diagnostic(`right ${Math.round(performance.now() - since)} ms after its first good answer`);
}

test('while the dashboard is down an instance freezes, and the page shows it OFF afterwards', async (t) => {
  const epoch = await dash.page.evaluate(() => performance.timeOrigin);
  const up = await system.restart('dashboard', async () => {
    await until('the page says that it has lost the dashboard', () => dash.data('connection', 'state'), {
      is: (state) => state === 'reconnecting',
      within: 3000,
      about: () => dash.seen(),
    });
    await system.inject('freeze', '--instance', '3');
    await until('the monitor turns instance 3 OFF', () => system.verdicts(), { is: (all) => all['3'] === 'OFF' });
  });
  await right(up, t);
  assert.equal(await dash.verdict('3'), 'OFF', 'what happened meanwhile is shown');
  await dash.lists(['3 freeze']);
  const { failures } = await dash.state();
  assert.ok(
    failures.some(({ instance, to }) => instance === '3' && to === 'OFF'),
    'and is in the history',
  );
  assert.equal(await dash.page.evaluate(() => performance.timeOrigin), epoch, 'without a reload of the page');
});

test('the monitor is killed while an instance is OFF: the page says so, and is right again', async (t) => {
  // The tests after this one have nothing to do with it.
  t.after(() => system.inject('clear', '--instance', '3'));
  const { failures } = await dash.state();
  const up = await system.restart('monitor-svc', () => source('monitor-svc', 'down', 1500));
  await right(up, t);
  await until('suspicion comes again', () => dash.state(), {
    is: ({ suspicion }) => Date.now() - Date.parse(suspicion.at(-1)?.at) < 1500,
    within: RIGHT_MS,
  });
  assert.equal(await dash.verdict('3'), 'OFF', 'the frozen instance is OFF still');
  const later = (await dash.state()).failures;
  const lost = failures.filter(({ seq }) => !later.some((entry) => entry.seq === seq));
  assert.deepEqual(lost, [], 'entries of the history that got lost');
  const numbers = later.map(({ seq }) => seq);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => b - a),
    'each once, newest first',
  );

  // Both were started after the freeze: only what the supervisor wrote down tells them which process is stopped.
  await dash.clear('3', 'freeze');
  await dash.lists([]);
  await dash.becomes('3', 'ON', BACK_MS);
});

test('the voter is killed: the page says so, and votes come again', async (t) => {
  const up = await system.restart('voter-svc', () => source('voter-svc', 'down', 1500));
  await right(up, t);
  const second = Math.floor(Date.now() / 1000);
  await until('votes of clients come again', () => dash.state(), {
    is: ({ votes }) => votes.some((one) => one.second >= second && one.clients > 0),
    within: RIGHT_MS,
    about: async () => (await dash.state()).votes.slice(-3),
  });
});

test('orders-svc is killed: the page says so', async (t) => {
  const up = await system.restart('orders-svc', () => source('orders-svc', 'down', 3000));
  await right(up, t);
});

test('a fault is seen at once after all of it', async () => {
  await system.calm();
  await dash.inject('2', 'latency', { latency: '900' });
  await dash.becomes('2', 'OFF', 2000);
  await dash.clear('2', 'latency');
  await dash.becomes('2', 'ON', BACK_MS);
  dash.blameless();
});
