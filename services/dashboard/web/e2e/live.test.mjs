// Every fault, injected by the page's own form into a real system, is seen, told and cleared on the page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Dash, answered, launch } from './lib/page.mjs';
import { System } from './lib/system.mjs';
import { until } from './lib/wait.mjs';

/** How long the page may take from the click to OFF. */
const SEEN_MS = 2000;
/** How long an instance may take to be ON again: a restart, a quarantine, a probation. */
const BACK_MS = 25_000;

let browser;
let system;
let dash;
/** Since when all instances are shown ON, Unix seconds: the voter's first votes may have been before. */
let ready;

before(async () => {
  [browser, system] = await Promise.all([launch(), System.up()]);
  dash = await Dash.open(browser, system.page);
  system.load({ rps: 30, duration: 120 });
});

after(async () => {
  await browser?.close();
  await system?.down();
});

test('the page is live, and shows what the services tell', async () => {
  await dash.ready();
  ready = Date.now() / 1000;
  const state = await dash.state();
  assert.equal(state.system.replicas, 3);
  assert.equal(state.status.quorum_lost, false);
  assert.equal(await dash.at('quorum-lost').isVisible(), false, 'no alarm about the quorum');
  assert.equal(await dash.at('fault-form').isVisible(), true, 'the form for faults is there');
  await until('suspicion and views of all replicas', () => dash.state(), {
    is: ({ suspicion, replicas }) =>
      suspicion.length > 5 &&
      suspicion.at(-1).levels.length === 3 &&
      replicas.length === 3 &&
      replicas.every(({ health, check_ms }) => health === 'UP' && check_ms > 0),
  });
});

test('votes and the requests of clients are charted', async () => {
  const state = await until('votes and requests of clients', () => dash.state(), {
    is: ({ votes, requests }) =>
      votes.some(({ clients, agreed }) => clients > 5 && agreed > 5) &&
      ['voter-svc', 'orders-svc', 'inventory-svc'].every((name) =>
        requests.some((row) => row.service === name && row.count > 5 && row.p50_us > 0),
      ),
  });
  const without = state.votes.filter(({ second, no_quorum }) => second > ready && no_quorum > 0);
  assert.deepEqual(without, [], 'every vote has a quorum');
  for (const chart of ['suspicion-chart', 'votes-chart', 'client-chart-rate', 'client-chart-latency']) {
    await until(`the text of ${chart}, for those who do not see it, has figures`, () => alternative(chart), {
      is: (text) => /\d.*\d/.test(text ?? ''),
    });
  }
  const rate = await alternative('client-chart-rate');
  const other = await dash
    .at('client-service')
    .evaluate((select) => [...select.options].find((one) => !one.selected).value);
  await dash.choose('client-service', other);
  await until('the chart is about another service', () => alternative('client-chart-rate'), {
    is: (text) => text !== rate,
  });
});

/** The text that stands for a chart. */
function alternative(chart) {
  return dash.at(chart).locator('[role="img"]').getAttribute('aria-label');
}

const FAULTS = [
  { fault: 'latency', instance: '2', more: { latency: '1200', scope: 'all' } },
  { fault: 'intermittent', instance: '3', more: { probability: '0.8' } },
  { fault: 'incorrect', instance: '1', more: { product: 'PROD-002' } },
  { fault: 'freeze', instance: '2', more: {} },
  { fault: 'stale', instance: '3', more: {} },
];

for (const { fault, instance, more } of FAULTS) {
  test(`${fault} is seen within 2 s, listed, and gone after it is cleared`, async (t) => {
    await dash.lists([]);
    const newest = (await dash.state()).failures[0]?.seq ?? 0;
    await off(t, instance, await dash.inject(instance, fault, more));
    assert.ok(['quarantine', 'probation'].includes(await dash.data(`instance-${instance}`, 'phase')));
    assert.match(await dash.at(`instance-${instance}-reason`).innerText(), /\w{3}/, 'a reason is shown');
    await dash.lists([`${instance} ${fault}`]);
    if (fault === 'incorrect') await lie(instance);
    const { ttd_ms } = await detection(instance, newest);
    assert.ok(ttd_ms >= 0 && ttd_ms < SEEN_MS, `the time to detect of ${fault}: ${ttd_ms} ms`);
    assert.equal(await dash.verdict(instance), 'OFF', 'it is OFF as long as the fault is there');

    await dash.clear(instance, fault);
    await dash.lists([]);
    await dash.becomes(instance, 'ON', BACK_MS);
    assert.equal(await dash.data(`instance-${instance}`, 'phase'), 'on');
    await until('the history tells the time to recovery', () => dash.state(), {
      is: ({ failures }) => failures.some((one) => one.seq > newest && one.ttd_ms != null && one.ttr_ms >= one.ttd_ms),
    });
  });
}

test('crash is seen within 2 s, and the instance is back by itself', async (t) => {
  const newest = (await dash.state()).failures[0]?.seq ?? 0;
  await off(t, '1', await dash.inject('1', 'crash'));
  await dash.becomes('1', 'ON', BACK_MS);
  await detection('1', newest);
  await dash.lists([]);
});

/** Waits until an instance is shown OFF, at most 2 s after the click. */
async function off(t, instance, clicked) {
  await dash.becomes(instance, 'OFF', clicked + SEEN_MS - performance.now());
  t.diagnostic(`OFF ${Math.round(performance.now() - clicked)} ms after the click`);
}

/** The entry of the history, newer than `newest`, that says how long it took to see that `instance` fails. */
async function detection(instance, newest) {
  const state = await until(
    `the history has an entry about instance ${instance} with a time to detect`,
    () => dash.state(),
    {
      is: ({ failures }) => failures.some((one) => one.seq > newest && one.instance === instance && one.ttd_ms != null),
      about: async () => (await dash.all('failure')).slice(0, 3),
    },
  );
  const entry = state.failures.find((one) => one.seq > newest && one.instance === instance && one.ttd_ms != null);
  // On the page it stands rounded, in ms or in s.
  await until('a row of the history shows a time', () => dash.all('failure'), {
    is: (rows) =>
      rows.some((row) => row.instance === instance && row.kind === entry.reason.kind && /\d\s*m?s\b/.test(row.text)),
  });
  return entry;
}

/** That the page tells of the lie of `instance`. */
async function lie(instance) {
  const items = await until('a dissent is listed', () => dash.all('disagreement'), {
    is: (all) => all.some(({ kind }) => kind === 'dissent'),
    within: SEEN_MS,
  });
  const item = items.find(({ kind }) => kind === 'dissent');
  assert.match(item.text, /PROD-002/, 'the disagreement names the product');
  const { disagreements } = await dash.state();
  const told = disagreements.find(
    ({ product, voices }) => product === 'PROD-002' && voices.some(({ standing }) => standing === 'dissents'),
  );
  assert.deepEqual(
    told?.voices.filter(({ standing }) => standing === 'dissents').map((voice) => voice.instance),
    [instance],
    'who lies',
  );
}

test('the history can be filtered by instance and by fault', async () => {
  const { failures } = await dash.state();
  // Changes of phase alone are left out unless they are asked for.
  const verdicts = (of) => failures.filter(({ instance, from, to }) => instance === of && from !== to).length;
  for (const instance of ['1', '2', '3']) {
    assert.ok(verdicts(instance) >= 2, `instance ${instance} has failed by now`);
    await dash.choose('filter-instance', instance);
    await until(`only instance ${instance} is listed, with each verdict`, () => dash.all('failure'), {
      is: (rows) => rows.length >= verdicts(instance) && rows.every((row) => row.instance === instance),
    });
  }
  await dash.choose('filter-instance', '');
  for (const fault of ['crash', ...FAULTS.map((one) => one.fault)]) {
    await dash.choose('filter-fault', fault);
    await until(`what is listed is about ${fault}`, () => dash.all('failure'), {
      is: (rows) => rows.some(({ to }) => to === 'OFF') && rows.every((row) => row.fault === fault),
      within: 2000,
    });
  }
  const { fault, instance } = FAULTS[0];
  await dash.choose('filter-fault', fault);
  await dash.choose('filter-instance', instance === '1' ? '2' : '1');
  await until('both filters hold at once', () => dash.all('failure'), { is: (rows) => rows.length === 0 });
  await dash.choose('filter-fault', '');
  await dash.choose('filter-instance', '');
  await until('all instances are listed again', () => dash.all('failure'), {
    is: (rows) => new Set(rows.map((row) => row.instance)).size === 3,
  });
});

test('two faults at once, an alarm about the quorum, and all of it cleared at once', async () => {
  await system.calm();
  // The lie first: of two replicas that contradict each other, nobody knows which one lies.
  await dash.inject('2', 'incorrect', { product: 'PROD-001' });
  await dash.becomes('2', 'OFF', SEEN_MS);
  await dash.inject('1', 'latency', { latency: '900', scope: 'health' });
  await dash.becomes('1', 'OFF', SEEN_MS);
  await dash.lists(['1 latency', '2 incorrect']);
  await until('the alarm about the quorum', () => dash.at('quorum-lost').isVisible());
  await dash.at('clear-all').click();
  await dash.lists([]);
  await dash.becomes('1', 'ON', BACK_MS);
  await dash.becomes('2', 'ON', BACK_MS);
  await until('the alarm is over', async () => !(await dash.at('quorum-lost').isVisible()));
});

test('a fault that the command line injects and clears is shown too', async () => {
  await system.inject('latency', '--instance', '3', '--latency', '800');
  await dash.becomes('3', 'OFF', SEEN_MS);
  await dash.lists(['3 latency']);
  await system.inject('clear', '--instance', '3');
  await dash.lists([]);
  await dash.becomes('3', 'ON', BACK_MS);
});

test('meanwhile there was no complaint, and no request to another host', () => dash.blameless());

test('where a token is set it is asked for once', async () => {
  const locked = await System.up({ args: ['--fault-token', 'open sesame'] });
  // Chromium tells the console of a 401 of its own accord.
  const dash = await Dash.open(browser, locked.page, { allow: [answered(401)] });
  try {
    await dash.ready();
    assert.equal(await dash.at('token-dialog').isVisible(), false, 'nothing is asked before it is needed');
    await dash.inject('2', 'latency', { latency: '900' });
    await until('the token is asked for', () => dash.at('token-dialog').isVisible());
    await dash.at('token-input').fill('not this');
    await dash.at('token-ok').click();
    const told = () => dash.at('token-dialog').getByRole('alert').innerText();
    await until('a wrong token is told', told, { is: (text) => text.trim() !== '', about: () => dash.seen() });
    assert.equal(await dash.verdict('2'), 'ON', 'nothing was injected');
    assert.deepEqual(await dash.active(), []);

    await dash.at('token-input').fill('open sesame');
    await dash.at('token-ok').click();
    await until('the dialog closes', async () => !(await dash.at('token-dialog').isVisible()), {
      about: () => dash.seen(),
    });
    await dash.becomes('2', 'OFF', SEEN_MS);

    await dash.page.reload();
    await until('the page is live again', () => dash.data('connection', 'state'), { is: (state) => state === 'live' });
    await dash.lists(['2 latency']);
    await dash.clear('2', 'latency');
    await dash.lists([]);
    assert.equal(await dash.at('token-dialog').isVisible(), false, 'it is not asked for again');
    await dash.becomes('2', 'ON', BACK_MS);
    const stored = await dash.page.evaluate(() => Object.values(localStorage).join(' '));
    assert.ok(!stored.includes('open sesame'), 'the token does not outlive the tab');
    dash.blameless();
  } finally {
    await dash.close();
    await locked.down();
  }
});

test('without fault injection there is no form', async () => {
  const safe = await System.up({ args: ['--fault-injection', 'off'] });
  const dash = await Dash.open(browser, safe.page);
  try {
    await dash.ready();
    assert.equal((await dash.state()).system.injection, false);
    for (const id of ['fault-form', 'inject', 'clear-all'])
      assert.equal(await dash.at(id).count(), 0, `there is no ${id}`);
    const body = JSON.stringify({ instance: '1', fault: 'stale' });
    const answer = await fetch(`${safe.page}api/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    assert.equal(answer.status, 404, 'and the interface is not there either');
    dash.blameless();
  } finally {
    await dash.close();
    await safe.down();
  }
});
