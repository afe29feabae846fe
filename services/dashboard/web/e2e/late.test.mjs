// What is told late is not shown as if it had not been: the newest seconds of a chart wait until they are whole.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Alone } from './lib/alone.mjs';
import { Dash, launch } from './lib/page.mjs';
import { until } from './lib/wait.mjs';

let browser;
let alone;

before(async () => {
  [browser, alone] = await Promise.all([launch(), Alone.up()]);
});

after(async () => {
  await browser?.close();
  await alone?.down();
});

test('the rate of a service whose rows come last never dips', async () => {
  const dash = await Dash.open(browser, alone.page);
  await until('the page is live', () => dash.data('connection', 'state'), {
    is: (state) => state === 'live',
    about: () => alone.log,
  });
  const legend = () => dash.at('client-chart-rate').locator('.legend b').first().innerText();
  const began = Date.now() / 1000;
  // A process tells of a second up to a second after its end, and the monitor up to half a second after that.
  const services = [
    { row: ['inventory-svc', 90, 0, 300], late: 1.7, told: Math.floor(began) - 20 },
    { row: ['orders-svc', 15, 0, 6000], late: 1.7, told: Math.floor(began) - 20 },
    { row: ['voter-svc', 30, 0, 900], late: 2.3, told: Math.floor(began) - 20 },
  ];
  const seen = new Set();
  await until(
    'four seconds of rows',
    async () => {
      const now = Date.now() / 1000;
      const events = [];
      for (const service of services) {
        while (service.told + 1 + service.late <= now) {
          service.told += 1;
          events.push(alone.monitor.requests(service.told, [service.row]));
        }
      }
      if (events.length > 0) await alone.monitor.tell(events);
      if (now - began > 1) seen.add(await legend());
      return now - began;
    },
    { is: (seconds) => seconds > 5, every: 20 },
  );
  assert.deepEqual([...seen], ['30/s']);
  dash.blameless();
});
