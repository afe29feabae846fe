// The page in a browser, with everything recorded that it does in secret: console, errors, requests.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

import { until } from './wait.mjs';

/** Chromium: a path, or a name to be found as a shell finds it. */
function executable() {
  const wanted = process.env.CHROMIUM || '/usr/bin/chromium';
  const places = wanted.includes('/') ? [wanted] : process.env.PATH.split(delimiter).map((dir) => join(dir, wanted));
  const path = places.find(existsSync);
  assert.ok(path, `${wanted} is missing: \`apt-get install chromium\`, or name it in CHROMIUM`);
  return path;
}

/** Starts Chromium: headless, and without what it does of its own accord in the network. */
export async function launch() {
  return chromium.launch({
    executablePath: executable(),
    args: [
      '--no-sandbox',
      '--headless',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** What Chromium itself writes to the console when an answer is an error or there is none. */
export const REFUSED =
  /^Failed to load resource: .*(ERR_CONNECTION_|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_SOCKET_)/;
/** The same for an answer with a status that is an error. */
export const answered = (status) => new RegExp(`^Failed to load resource: .* status of ${status}`);

export class Dash {
  /**
   * Opens the page in a context of its own.
   *
   * @param {{locale?: string, colorScheme?: 'light' | 'dark', width?: number, height?: number, allow?: RegExp[],
   *   first?: () => void}} [how] `allow`: lines of the console that belong to the test; `first`: runs in the page before
   *   its own scripts
   */
  static async open(
    browser,
    url,
    { locale = 'en-US', colorScheme = 'light', width = 1280, height = 900, allow = [], first } = {},
  ) {
    const context = await browser.newContext({ locale, colorScheme, viewport: { width, height } });
    if (first) await context.addInitScript(first);
    const dash = new Dash(await context.newPage(), new URL(url), allow);
    await dash.page.goto(url, { waitUntil: 'load' });
    return dash;
  }

  constructor(page, url, allow) {
    this.page = page;
    this.url = url;
    this.allow = allow;
    this.console = [];
    this.requests = [];
    page.on('console', (message) => {
      if (['error', 'warning', 'assert'].includes(message.type())) this.#record(message.type(), message.text());
    });
    page.on('pageerror', (error) => this.#record('page error', error.stack ?? String(error)));
    page.on('crash', () => this.#record('page', 'it crashed'));
    page.on('request', (request) => this.requests.push(`${request.method()} ${request.url()}`));
  }

  #record(kind, text) {
    // A page that complains without end must not fill the memory of the test.
    if (this.console.length < 100 && !this.allow.some((known) => known.test(text)))
      this.console.push(`${kind}: ${text}`);
  }

  /** An element by its `data-testid`, and by further attributes: `at('active-fault', { instance: '1' })`. */
  at(id, data = {}) {
    const more = Object.entries(data).map(([name, value]) => `[data-${name}="${value}"]`);
    return this.page.locator(`[data-testid="${id}"]${more.join('')}`);
  }

  /** An attribute `data-…` of the first such element; null if there is none. */
  async data(id, name) {
    return this.page.evaluate(
      ([id, name]) => document.querySelector(`[data-testid="${id}"]`)?.getAttribute(`data-${name}`) ?? null,
      [id, name],
    );
  }

  /** All elements with this `data-testid`: their `data-…` attributes and texts. */
  async all(id) {
    return this.page.evaluate((id) => {
      const one = (element) => ({ ...element.dataset, text: element.innerText });
      return [...document.querySelectorAll(`[data-testid="${id}"]`)].map(one);
    }, id);
  }

  /** The verdict that the page shows for an instance. */
  async verdict(instance) {
    return this.data(`instance-${instance}`, 'verdict');
  }

  /** All verdicts that the page shows: `{1: 'ON', …}`. */
  async verdicts() {
    return this.page.evaluate(() => {
      const all = [...document.querySelectorAll('[data-testid^="instance-"][data-verdict]')];
      return Object.fromEntries(all.map((one) => [one.dataset.testid.slice('instance-'.length), one.dataset.verdict]));
    });
  }

  /** All that the page knows, as a snapshot has it. */
  async state() {
    return this.page.evaluate(() => window.__tolerancia.state());
  }

  /** How much of everything the page keeps. */
  async sizes() {
    return this.page.evaluate(() => window.__tolerancia.sizes());
  }

  /** Waits until an instance is shown with this verdict. */
  async becomes(instance, verdict, within) {
    await until(`the page shows instance ${instance} ${verdict}`, () => this.verdict(instance), {
      is: (seen) => seen === verdict,
      within,
      every: 10,
      about: () => this.seen(),
    });
  }

  /** Waits until the page has its stream, the services have theirs, and every instance is shown ON. */
  async ready(within = 15_000) {
    await until('the page is live and shows all instances ON', () => this.seen(), {
      is: ({ connection, sources, verdicts }) =>
        connection === 'live' &&
        Object.values(sources).every((source) => source === 'up') &&
        Object.keys(verdicts).length === 3 &&
        Object.values(verdicts).every((verdict) => verdict === 'ON'),
      within,
    });
  }

  /** What the page shows, in short: for messages. */
  async seen() {
    const sources = {};
    for (const name of ['monitor-svc', 'voter-svc', 'orders-svc'])
      sources[name] = await this.data(`source-${name}`, 'state');
    const texts = async (id) => (await this.all(id)).map(({ text }) => text.replaceAll(/\s+/g, ' '));
    return {
      connection: await this.data('connection', 'state'),
      sources,
      verdicts: await this.verdicts(),
      active: await this.active(),
      message: await texts('message'),
      console: this.console,
    };
  }

  /** The faults that the page lists as active: `['2 latency', …]`. */
  async active() {
    return (await this.all('active-fault')).map(({ instance, fault }) => `${instance} ${fault}`).sort();
  }

  /** Waits until exactly these faults are listed as active. */
  async lists(faults, within = 3000) {
    const wanted = JSON.stringify([...faults].sort());
    await until(`the page lists the active faults ${wanted}`, () => this.active(), {
      is: (seen) => JSON.stringify(seen) === wanted,
      within,
      about: () => this.seen(),
    });
  }

  /** Sets a control, whatever kind it is: a list, a field, a box to tick or a group of choices. */
  async choose(id, value) {
    const control = this.at(id);
    const tag = await control.evaluate((element) => (element.matches('input') ? element.type : element.localName));
    if (tag === 'select') await control.selectOption(value);
    else if (tag === 'checkbox') await control.setChecked(value);
    else if (['text', 'number', 'range', 'password', 'search'].includes(tag)) await control.fill(String(value));
    else await control.locator(`input[value="${value}"]`).check();
  }

  /** Injects a fault by the page's form; returns when. `more`: `{latency, probability, product, scope}`. */
  async inject(instance, fault, more = {}) {
    await this.choose('fault-instance', String(instance));
    await this.choose('fault-kind', fault);
    for (const [name, value] of Object.entries(more)) await this.choose(`fault-${name}`, value);
    const now = performance.now();
    await this.at('inject').click();
    return now;
  }

  /** Clears the faults of an instance by the button at one of them. */
  async clear(instance, fault) {
    await this.at('active-fault', { instance, fault }).getByTestId('clear').click();
  }

  /** That nothing happened in secret: no complaint, no request to anybody else. */
  blameless() {
    assert.deepEqual(this.console, [], 'console and page errors');
    const strange = this.requests.filter((request) => {
      const url = new URL(request.slice(request.indexOf(' ') + 1));
      return url.host !== this.url.host && !['data:', 'blob:'].includes(url.protocol);
    });
    assert.deepEqual(strange, [], 'requests to other hosts');
    assert.ok(this.requests.length > 0, 'requests were recorded');
  }

  async close() {
    await this.page.context().close();
  }
}
