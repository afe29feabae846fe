// An experiment is started from the page, watched to its verdict, read, and another one is stopped.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Dash, launch } from './lib/page.mjs';
import { marked, root } from './lib/processes.mjs';
import { System } from './lib/system.mjs';
import { until } from './lib/wait.mjs';

let browser;
let system;
let dash;

/** The classic scenario with one quick trial of each fault: half a minute instead of a whole one. */
function scenarios(dir) {
  mkdirSync(join(dir, 'scenarios'));
  const classic = readFileSync(join(root, 'scenarios/classic.toml'), 'utf8');
  const once = classic
    .replace('name = "classic"', 'name = "once"')
    .replace(/\[quick\]\ntrials = \d+\nbaseline_s = [\d.]+/, '[quick]\ntrials = 1\nbaseline_s = 3.0');
  assert.notEqual(once.match(/trials = 1\n/), null, 'the scenario has a quick form');
  writeFileSync(join(dir, 'scenarios/once.toml'), once);
  writeFileSync(join(dir, 'scenarios/classic.toml'), classic);
}

before(async () => {
  [browser, system] = await Promise.all([launch(), System.up({ prepare: scenarios })]);
  dash = await Dash.open(browser, system.page);
  await dash.ready();
});

after(async () => {
  await browser?.close();
  await system?.down();
});

/** What the page knows of the experiment. */
const experiment = async () => (await dash.state()).experiment;
/** The experiments that run as processes. */
const processes = () => marked(system.dir).filter(({ line }) => / experiment /.test(line));

async function begin(scenario) {
  await dash.choose('experiment-scenario', scenario);
  await dash.choose('experiment-quick', true);
  await dash.at('experiment-start').click();
}

test('an experiment runs to its verdict, and its progress is shown', async (t) => {
  const offered = await dash
    .at('experiment-scenario')
    .evaluate((select) => [...select.options].map(({ value }) => value));
  assert.deepEqual(offered.filter((name) => ['classic', 'once'].includes(name)).sort(), ['classic', 'once']);
  await begin('once');
  await until('it runs', experiment, { is: (seen) => seen?.running, within: 5000, about: () => dash.seen() });
  assert.equal(processes().length, 1, 'one process');

  const steps = new Set();
  let most = 0;
  const ended = await until(
    'it ends',
    async () => {
      const seen = await experiment();
      if (seen.running) {
        steps.add(seen.step);
        most = Math.max(most, seen.done);
        assert.ok(seen.done <= seen.of || seen.of === 0, `${seen.done} of ${seen.of}`);
      }
      return seen;
    },
    { is: (seen) => seen && !seen.running, within: 120_000, every: 100, about: () => dash.seen() },
  );
  t.diagnostic(`verdict ${ended.verdict}, exit code ${ended.exit_code}, steps ${[...steps]}`);
  assert.ok(steps.has('baseline') && steps.has('trials'), `steps ${[...steps]}`);
  assert.ok(most >= 3, `progress was told, up to ${most}`);
  assert.equal(ended.step, 'ended');
  assert.match(ended.verdict ?? '', /^(pass|fail)$/, JSON.stringify(ended));
  assert.equal(ended.exit_code, ended.verdict === 'pass' ? 0 : 1);
  assert.match(await dash.at('experiment-state').innerText(), /\w/);
  await until('no process of it is left', processes, { is: (left) => left.length === 0, within: 5000 });
  await system.calm();
  await dash.lists([]);
});

test('its folder is listed, and its report opens', async () => {
  const rows = await until('a folder is listed', () => dash.all('folder'), { is: (all) => all.length === 1 });
  const link = dash.at('folder').locator('a').first();
  const href = await link.evaluate((element) => element.href);
  assert.match(href, /\/results\/[^/]+\/report\.html$/, JSON.stringify(rows));
  const { folders } = await dash.state();
  assert.equal(folders[0].scenario, 'once');
  assert.match(folders[0].verdict, /^(pass|fail)$/);
  assert.ok(folders[0].duration_s > 5);

  const report = await Dash.open(browser, href);
  assert.match(await report.page.title(), /\w/);
  assert.ok((await report.page.locator('svg').count()) > 0, 'the report has its charts');
  const laid = await report.page.locator('body').evaluate((body) => getComputedStyle(body).fontFamily);
  assert.doesNotMatch(laid, /Times/, 'the report has its style');
  report.blameless();
  await report.close();

  for (const [path, status] of [
    [`/results/${folders[0].name}/report.json`, 200],
    [`/results/${folders[0].name}/report.md`, 200],
    [`/results/${folders[0].name}/system.log`, 404],
    ['/results/..%2f..%2fetc/report.html', 404],
    ['/results/.hidden/report.html', 404],
  ]) {
    const answer = await fetch(new URL(path, system.page));
    await answer.text();
    assert.ok(answer.status === status || (status === 404 && answer.status === 400), `${path}: ${answer.status}`);
  }
});

test('a second one is stopped from the page, and leaves no fault behind', async () => {
  await begin('classic');
  await until('it runs', experiment, { is: (seen) => seen?.running && seen.step !== 'starting', within: 10_000 });
  const again = await fetch(new URL('/api/experiments', system.page), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ scenario: 'classic', quick: true }),
  });
  assert.equal(again.status, 409, 'two at a time are refused');
  const [row] = await until('its folder is listed as running', () => dash.all('folder'), {
    is: (rows) => rows[0]?.running === 'true',
    within: 5000,
  });
  assert.match(row.text, /running/);
  assert.doesNotMatch(row.text, /no verdict|\b0 s\b/);
  await until('a fault is active in its trials', () => dash.active(), {
    is: (all) => all.length > 0,
    within: 40_000,
    every: 10,
  });
  await dash.at('experiment-stop').click();
  const ended = await until('it ends', experiment, {
    is: (seen) => seen && !seen.running,
    within: 15_000,
    about: () => dash.seen(),
  });
  assert.notEqual(ended.verdict, 'pass', 'an experiment that was stopped has met nothing');
  await until('no process of it is left', processes, { is: (left) => left.length === 0, within: 5000 });
  await dash.lists([], 5000);
  await system.calm();
  dash.blameless();
  assert.ok(readdirSync(join(system.dir, 'results')).length >= 1);
});
