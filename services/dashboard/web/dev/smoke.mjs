// Uses the page in a real browser against the mock server: `npm run smoke`. Needs chromium (CHROMIUM, else
// /usr/bin/chromium). With AXE, a path to axe.min.js (npm: axe-core), accessibility is checked too.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PORT = 5127;
const URL_ = `http://localhost:${PORT}`;
const server = join(dirname(fileURLToPath(import.meta.url)), 'server.mjs');
let child = null;

async function up(...args) {
  child = spawn(process.execPath, [server, '--port', String(PORT), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((ready) => child.stdout.once('data', ready));
}
async function down() {
  child.kill();
  await new Promise((gone) => child.once('exit', gone));
}
const mock = (path) => fetch(`${URL_}/mock/${path}`, { method: 'POST' });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const problems = [];
async function open({ colorScheme = 'light', locale = 'en-US', width = 1280 } = {}) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme, locale });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    // A refused connection or a 401 is what some of the checks are about; a breach of the policy never is.
    if (message.type() === 'error' && !/Failed to load resource|ERR_/.test(message.text())) problems.push(message.text());
  });
  await page.goto(URL_);
  await page.waitForSelector('[data-testid=connection][data-state=live]');
  return page;
}
const id = (page, name, more = '') => page.locator(`[data-testid=${name}]${more}`);
async function axe(page, what) {
  if (!process.env.AXE) return;
  await page.evaluate((await import('node:fs')).readFileSync(process.env.AXE, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
  for (const { id: rule, nodes } of violations) {
    for (const node of nodes.slice(0, 3)) problems.push(`${what}: ${rule}: ${node.target} ${node.failureSummary}`);
  }
}

const checks = {
  async 'a fault is injected, seen, cleared and gone'() {
    const page = await open();
    assert.equal(await id(page, 'instance-2').getAttribute('data-verdict'), 'ON');
    await id(page, 'fault-instance').selectOption('2');
    await id(page, 'fault-kind').selectOption('latency');
    await id(page, 'fault-latency').fill('1200');
    await id(page, 'fault-scope').selectOption('queries');
    await id(page, 'inject').click();
    await page.waitForSelector('[data-testid=instance-2][data-verdict=OFF][data-phase=quarantine]');
    const active = id(page, 'active-fault', '[data-instance="2"][data-fault=latency]');
    assert.match(await active.innerText(), /1\.2 s · queries only/);
    assert.match(await id(page, 'instance-2-reason').innerText(), /late/);
    await active.locator('[data-testid=clear]').click();
    await page.waitForSelector('[data-testid=instance-2][data-phase=probation]');
    // The end of the quarantine is no reason to be OFF.
    const card = id(page, 'instance-2');
    assert.equal(await id(page, 'instance-2-reason').getAttribute('data-kind'), 'late');
    assert.match(await card.innerText(), /on probation/);
    assert.match(await card.locator('details').textContent(), /nats/);
    await page.waitForSelector('[data-testid=instance-2][data-verdict=ON]');
    assert.equal(await id(page, 'active-fault').count(), 0);
    const row = id(page, 'failure', '[data-instance="2"][data-kind=late]').first();
    assert.equal(await row.getAttribute('data-fault'), 'latency');
    assert.match(await row.innerText(), /1\d\d ms/);
    assert.match(await page.locator('[aria-live=polite]').first().innerText(), /Instance 2 is ON/);
    await axe(page, 'calm, light');
    await page.close();
  },
  async 'a crash ends by itself, catching up on the way'() {
    const page = await open();
    await id(page, 'fault-kind').selectOption('crash');
    assert.equal(await id(page, 'fault-scope').count(), 0);
    await id(page, 'inject').click();
    await page.waitForSelector('[data-testid=instance-1][data-verdict=OFF]');
    await page.waitForSelector('[data-testid=instance-1][data-catching-up=true]');
    await page.waitForSelector('[data-testid=instance-1][data-verdict=ON]');
    assert.equal(await id(page, 'active-fault').count(), 0);
    await page.close();
  },
  async 'who clears a fault by keyboard stays where it was, and nobody else is moved'() {
    const page = await open();
    const focused = () => page.evaluate(() => document.activeElement?.dataset.testid ?? document.activeElement?.localName);
    const clear = async () => {
      await id(page, 'inject').click();
      await id(page, 'clear').focus();
      await page.keyboard.press('Enter');
    };
    const gone = () => page.waitForSelector('[data-testid=active-fault]', { state: 'detached' });
    await clear();
    await gone();
    assert.equal(await focused(), 'active-faults');
    // It is slow, and the user goes on.
    await page.route('**/api/faults/*', async (route) => {
      await new Promise((done) => setTimeout(done, 500));
      await route.continue();
    });
    await clear();
    await id(page, 'experiment-seed').focus();
    await gone();
    await page.waitForTimeout(200);
    assert.equal(await focused(), 'experiment-seed');
    await page.unroute('**/api/faults/*');
    // It fails.
    await page.route('**/api/faults/*', (route) => route.abort());
    await clear();
    await page.waitForSelector('[data-testid=message]');
    assert.equal(await focused(), 'clear');
    await page.unroute('**/api/faults/*');
    await id(page, 'clear-all').click();
    await gone();
    // What is active may not be known here.
    const asked = page.waitForRequest((request) => request.method() === 'DELETE' && request.url().endsWith('/api/faults'));
    await id(page, 'clear-all').click();
    await asked;
    await page.close();
  },
  async 'a loss of the quorum is an alarm, and its end ends it'() {
    const page = await open({ colorScheme: 'dark', locale: 'es-ES', width: 390 });
    assert.equal(await id(page, 'quorum-lost').count(), 0);
    for (const n of ['1', '3']) {
      await id(page, 'fault-instance').selectOption(n);
      await id(page, 'fault-kind').selectOption('freeze');
      await id(page, 'inject').click();
      await page.waitForSelector(`[data-testid=instance-${n}][data-verdict=OFF]`);
    }
    await page.waitForSelector('[data-testid=quorum-lost]');
    assert.match(await page.title(), /Sin quórum/);
    await page.waitForSelector('[data-testid=disagreement][data-kind=no_quorum]');
    await id(page, 'disagreement', '[data-kind=no_quorum]').getByText('No se decidieron todos los productos.').first().waitFor();
    const all = id(page, 'disagreement', '[data-kind=no_quorum]').filter({ hasText: 'todos los productos' }).first();
    assert.match((await all.locator('.voices').innerText()).replace(/\s+/g, ' ').trim(), /^1 \D+ 2 sin decidir 3 \D+$/);
    assert.doesNotMatch(await all.innerText(), /–/);
    for (const chart of ['suspicion-chart', 'votes-chart']) {
      await page.waitForFunction(
        (name) => /Fallas a la vista: .*freeze 3, freeze 1/.test(document.querySelector(`[data-testid=${name}] [role=img]`).ariaLabel),
        chart,
      );
    }
    assert.match(await id(page, 'votes-chart').locator('.legend').textContent(), /todas de acuerdo[^]*total\d/);
    await axe(page, 'quorum lost, dark, narrow');
    await id(page, 'clear-all').click();
    await page.waitForSelector('[data-testid=quorum-lost]', { state: 'detached' });
    await page.close();
  },
  async 'filters choose'() {
    const page = await open();
    await id(page, 'filter-fault').selectOption('crash');
    const kinds = await id(page, 'failure').evaluateAll((rows) => rows.map((row) => row.dataset.fault));
    assert.ok(kinds.length > 0 && kinds.every((kind) => kind === 'crash'), String(kinds));
    await id(page, 'filter-fault').selectOption('');
    await id(page, 'filter-instance').selectOption('3');
    const who = await id(page, 'failure').evaluateAll((rows) => rows.map((row) => row.dataset.instance));
    assert.ok(who.length > 0 && who.every((n) => n === '3'), String(who));
    await page.close();
  },
  async 'an experiment starts, tells its progress and stops'() {
    const page = await open();
    const about = page.locator('#scenario-about');
    assert.match(await about.innerText(), /all six faults/);
    assert.equal(await id(page, 'scenario-more').locator('p').isVisible(), false);
    await id(page, 'scenario-more').locator('summary').click();
    assert.match(await id(page, 'scenario-more').innerText(), /says what is wrong in a file\.$/);
    await id(page, 'experiment-scenario').selectOption('gray');
    assert.equal(await id(page, 'scenario-more').count(), 0);
    await id(page, 'experiment-start').click();
    await page.waitForSelector('[data-testid=experiment-progress]');
    await page.waitForSelector('[data-testid=experiment-state][data-step=baseline]');
    await axe(page, 'experiment, light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await axe(page, 'experiment, dark');
    const folder = id(page, 'folder').first();
    assert.match(await folder.innerText(), /running$/);
    assert.doesNotMatch(await folder.innerText(), /\b0 s/);
    await id(page, 'experiment-stop').click();
    await page.waitForSelector('[data-testid=experiment-state][data-state=ended]');
    await folder.getByText('no verdict').waitFor();
    assert.equal(await folder.getAttribute('data-running'), 'false');
    assert.match(await folder.innerText(), / \d+ s\b/);
    const wide = await page.locator('.log').evaluate((log) => log.scrollWidth - log.clientWidth);
    assert.equal(wide, 0, 'the log is cut at the right');
    assert.equal(await id(page, 'folder').locator('a').first().getAttribute('target'), '_blank');
    await page.close();
  },
  async 'what the server refuses is told in both languages'() {
    const page = await open({ locale: 'es-CL' });
    await id(page, 'fault-kind').selectOption('incorrect');
    await id(page, 'fault-product').fill('NONE');
    await id(page, 'inject').click();
    await page.waitForSelector('[data-testid=message]');
    assert.match(await id(page, 'message').innerText(), /No se pudo inyectar la falla\.[^]*there is no product NONE/);
    await id(page, 'message').locator('button').click();
    assert.equal(await id(page, 'message').count(), 0);
    await page.close();
  },
  async 'a service that is down is told where its data is shown'() {
    const page = await open();
    await mock('source/voter-svc/down');
    await page.waitForSelector('[data-testid=source-voter-svc][data-state=down]');
    await page.waitForSelector('#votes .as-of');
    assert.equal(await page.locator('#votes .body.old').count(), 1);
    assert.equal(await page.locator('#glance .as-of').count(), 0);
    await axe(page, 'voter down, light');
    await mock('source/voter-svc/up');
    await page.waitForSelector('#votes .as-of', { state: 'detached' });
    await page.close();
  },
  async 'all of what is in the way of a service can be read, at any width'() {
    await mock('source/voter-svc/down');
    const page = await open({ locale: 'es-CL' });
    const source = id(page, 'source-voter-svc', '[data-state=down]');
    await source.waitFor();
    for (const width of [390, 480, 600, 800, 1_000, 1_280, 1_600]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(100);
      const cut = await page.locator('.source small').evaluateAll((all) =>
        all.filter((one) => one.offsetWidth === 0 || one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflow !== 'visible').map((one) => one.textContent),
      );
      assert.deepEqual(cut, [], `${width} px`);
      assert.match(await source.innerText(), /desde \d\d:\d\d:\d\d[^]*connection refused[^]*within a second/);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `${width} px`);
    }
    await mock('source/voter-svc/up');
    await page.close();
  },
  async 'another service is charted at once, also while nothing comes'() {
    const page = await open();
    await page.waitForTimeout(1_500);
    await mock('refuse');
    await page.waitForSelector('[data-testid=connection][data-state=reconnecting]');
    const chart = id(page, 'client-chart-rate');
    const told = async () => [await chart.locator('.legend').textContent(), await chart.locator('[role=img]').getAttribute('aria-label')];
    const before = await told();
    await id(page, 'client-service').selectOption('inventory-svc');
    await page.waitForTimeout(100);
    const after = await told();
    assert.notEqual(after[0], before[0]);
    assert.match(after[1], /inventory-svc: requests 1\d\d\/s/);
    await mock('speak');
    await page.waitForSelector('[data-testid=connection][data-state=live]');
    await page.close();
  },
  async 'the charts go by the clock of the services'() {
    await down();
    await up('--scenario', 'latency', '--ahead=-7200');
    const page = await open();
    await page.waitForTimeout(3_000);
    for (const chart of ['suspicion-chart', 'votes-chart', 'client-chart-rate', 'client-chart-latency']) {
      assert.match(await id(page, chart).locator('.legend').textContent(), /\d/, chart);
    }
    assert.match(await page.locator('.figures').textContent(), /Rate\d+\/sSuccess\d+/);
    assert.match(await id(page, 'active-fault').innerText(), /for \d s/);
    assert.match(await id(page, 'instance-2').locator('.since').innerText(), /· \d s$/);
    await page.close();
    await down();
    await up();
  },
  async 'a cut, a silent and a refusing server are told, and the page comes back'() {
    const page = await open();
    const connection = (state) => page.waitForSelector(`[data-testid=connection][data-state=${state}]`, { timeout: 12_000 });
    await mock('cut');
    await connection('live');
    await mock('silence');
    await connection('reconnecting');
    await page.waitForSelector('#glance .as-of');
    await mock('speak');
    await connection('live');
    await mock('refuse');
    await connection('reconnecting');
    await axe(page, 'reconnecting, light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await axe(page, 'reconnecting, dark');
    await mock('speak');
    await connection('live');
    await down();
    await connection('reconnecting');
    await up();
    await connection('live');
    assert.equal(await id(page, 'instance-1').getAttribute('data-verdict'), 'ON');
    await page.close();
  },
  async 'the token is asked for once, and again when it is wrong'() {
    await down();
    await up('--token', 'secret', '--replicas', '5');
    const page = await open();
    assert.equal(await page.locator('.instance').count(), 5);
    await id(page, 'inject').focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-testid=token-dialog][open]');
    await axe(page, 'token');
    assert.equal(await page.evaluate(() => document.activeElement?.dataset.testid), 'token-input');
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-testid=token-dialog][open]', { state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement?.dataset.testid), 'inject');
    await page.keyboard.press('Enter');
    await id(page, 'token-input').fill('wrong');
    await id(page, 'token-ok').click();
    await page.getByText('That is not the token').waitFor();
    await id(page, 'token-input').fill('secret');
    await id(page, 'token-ok').click();
    await page.waitForSelector('[data-testid=active-fault]');
    await id(page, 'clear-all').click();
    await page.waitForSelector('[data-testid=active-fault]', { state: 'detached' });
    await page.evaluate(() => sessionStorage.setItem('tolerancia-token', 'old'));
    await id(page, 'inject').click();
    await page.waitForSelector('[data-testid=token-dialog][open]');
    await id(page, 'token-input').fill('secret');
    await id(page, 'token-ok').click();
    await page.waitForSelector('[data-testid=active-fault]');
    await page.close();
  },
  async 'without injection nothing offers it'() {
    await down();
    await up('--no-injection');
    const page = await open();
    for (const name of ['fault-form', 'experiment-form', 'clear-all']) assert.equal(await id(page, name).count(), 0);
    assert.ok((await id(page, 'folder').count()) > 0);
    await page.close();
  },
  async 'without experiments past ones are listed all the same'() {
    await down();
    await up('--no-experiments');
    const page = await open();
    assert.equal(await id(page, 'fault-form').count(), 1);
    assert.equal(await id(page, 'experiment-form').count(), 0);
    assert.ok((await id(page, 'folder').count()) > 0);
    await page.close();
  },
};

await up();
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    problems.push(`${name}: ${error.stack}`);
    console.log(`NOT OK ${name}`);
  }
}
await down();
await browser.close();
for (const problem of problems) console.error(problem);
process.exitCode = problems.length ? 1 : 0;
