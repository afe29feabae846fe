// Pictures of the page for people who change it: `node e2e/screenshots.mjs DIR`. No test: nothing is compared.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { Dash, launch } from './lib/page.mjs';
import { System } from './lib/system.mjs';
import { until } from './lib/wait.mjs';

const out = process.argv[2];
if (!out) {
  console.error('usage: node e2e/screenshots.mjs DIR');
  process.exit(2);
}
mkdirSync(resolve(out), { recursive: true });

const browser = await launch();
const system = await System.up();
try {
  system.load({ rps: 40, duration: 300 });
  const pages = [];
  for (const locale of ['en', 'es']) {
    for (const colorScheme of ['light', 'dark']) {
      const dash = await Dash.open(browser, system.page, { locale, colorScheme });
      pages.push({ locale, colorScheme, dash });
      await dash.ready();
    }
  }
  const shoot = async (state, which = () => true) => {
    for (const { locale, colorScheme, dash } of pages.filter(which)) {
      for (const width of [1280, 390]) {
        await dash.page.setViewportSize({ width, height: width === 1280 ? 900 : 844 });
        // What sticks to the top stays there; the charts are as wide as their boxes a moment later.
        await dash.page.evaluate(() => {
          scrollTo(0, 0);
          return new Promise((done) => setTimeout(done, 400));
        });
        const path = join(out, `${state}-${width}-${colorScheme}-${locale}.png`);
        await dash.page.screenshot({ path, fullPage: true });
        console.log(path);
      }
    }
  };
  const [first] = pages;
  // A minute of life fills the charts.
  await until('the charts have something to show', () => first.dash.state(), {
    is: ({ votes }) => votes.length >= 45,
    within: 90_000,
    every: 500,
  });
  await shoot('calm');
  // Something for the history.
  await first.dash.inject('3', 'crash');
  await first.dash.becomes('3', 'OFF', 5000);
  await first.dash.becomes('3', 'ON', 30_000);
  // The lie first: of two replicas that contradict each other, nobody knows which one lies.
  await first.dash.inject('2', 'incorrect', { product: 'PROD-001' });
  await first.dash.becomes('2', 'OFF', 5000);
  await first.dash.inject('1', 'latency', { latency: '900' });
  await first.dash.becomes('1', 'OFF', 5000);
  await shoot('fault');
  await first.dash.at('clear-all').click();
  await system.calm();
  await first.dash.choose('experiment-quick', true);
  await first.dash.at('experiment-start').click();
  await until('an experiment is in its trials', () => first.dash.state(), {
    is: ({ experiment }) => experiment?.step === 'trials',
    within: 40_000,
  });
  await shoot('experiment', ({ colorScheme }) => colorScheme === 'light');
  await first.dash.at('experiment-stop').click();
  await until('it ends', () => first.dash.state(), { is: ({ experiment }) => !experiment.running, within: 20_000 });
} finally {
  await browser.close();
  await system.down();
}
