// What everybody can use: accessible by the rules of WCAG 2 A and AA, on narrow screens, by keyboard, in two languages,
// small and fast.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { Dash, launch } from './lib/page.mjs';
import { System } from './lib/system.mjs';
import { until } from './lib/wait.mjs';

const axe = createRequire(import.meta.url)('axe-core').source;
const WIDTHS = [1280, 390];
const LIMIT_BYTES = 150 * 1024;
const PAINT_MS = 200;

let browser;
let system;
/** The page in each language and colour scheme. */
const pages = [];

before(async () => {
  [browser, system] = await Promise.all([launch(), System.up()]);
  system.load({ rps: 20, duration: 180 });
  for (const locale of ['en-US', 'es-ES']) {
    for (const colorScheme of ['light', 'dark']) {
      const dash = await Dash.open(browser, system.page, { locale, colorScheme });
      await dash.page.evaluate(axe);
      pages.push({ name: `${locale} ${colorScheme}`, locale, colorScheme, dash });
    }
  }
  for (const { dash } of pages) await dash.ready();
});

after(async () => {
  await browser?.close();
  await system?.down();
});

/** Violations of the rules, in short. */
async function violations(dash) {
  return dash.page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
      resultTypes: ['violations'],
    });
    return violations.map(({ id, help, nodes }) => ({
      id,
      help,
      where: nodes
        .slice(0, 4)
        .map(({ html, failureSummary }) => `${html.slice(0, 160)} | ${failureSummary.replaceAll(/\s+/g, ' ')}`),
      nodes: nodes.length,
    }));
  });
}

/** What is wider than the screen. */
async function overflow(dash) {
  return dash.page.evaluate(() => {
    const { scrollWidth } = document.documentElement;
    if (scrollWidth <= innerWidth) return null;
    const wide = [...document.querySelectorAll('body *')].filter(
      (one) => one.getBoundingClientRect().right > innerWidth + 1,
    );
    return { scrollWidth, innerWidth, wide: wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 120)) };
  });
}

/** Looks at every page in every width. */
async function inspect() {
  const wrong = [];
  for (const { name, dash } of pages) {
    for (const width of WIDTHS) {
      await dash.page.setViewportSize({ width, height: 900 });
      // The charts are as wide as their boxes a frame later.
      await dash.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      for (const violation of await violations(dash)) wrong.push({ page: `${name} ${width}`, ...violation });
      const over = await until(`no horizontal overflow in ${name} ${width}`, () => overflow(dash), {
        is: (seen) => seen === null,
        within: 500,
      }).catch((error) => error.message);
      if (over) wrong.push({ page: `${name} ${width}`, over });
    }
    await dash.page.setViewportSize({ width: 1280, height: 900 });
  }
  assert.deepEqual(wrong, []);
}

test('the document says its language, and the words differ', async () => {
  const words = new Set();
  for (const { locale, colorScheme, dash } of pages) {
    const lang = await dash.page.evaluate(() => document.documentElement.lang);
    assert.equal(lang.slice(0, 2), locale.slice(0, 2));
    if (colorScheme === 'light') words.add(await dash.at('inject').innerText());
    assert.match(await dash.page.title(), /\w/);
  }
  assert.equal(words.size, 2, `two languages: ${[...words]}`);
});

test('light and dark are two themes', async () => {
  const ground = (dash) =>
    dash.page.evaluate(() => {
      const colour = (element) => getComputedStyle(element).backgroundColor;
      const own = colour(document.body);
      return own === 'rgba(0, 0, 0, 0)' ? colour(document.documentElement) : own;
    });
  const [light, dark] = [await ground(pages[0].dash), await ground(pages[1].dash)];
  assert.notEqual(light, dark);
});

test('no rule of WCAG 2 A or AA is broken, and nothing is too wide, while all is calm', inspect);

test('the same while faults are active and the quorum is lost', async () => {
  // The lie first: of two replicas that contradict each other, nobody knows which one lies.
  await system.inject('incorrect', '--instance', '2');
  await pages[0].dash.becomes('2', 'OFF', 3000);
  await system.inject('latency', '--instance', '1', '--latency', '900');
  for (const { dash } of pages) {
    await dash.becomes('2', 'OFF', 3000);
    await dash.becomes('1', 'OFF', 3000);
    await dash.lists(['1 latency', '2 incorrect']);
    await until('the alarm about the quorum', () => dash.at('quorum-lost').isVisible());
  }
  await inspect();
  await system.inject('clear', '--instance', '1');
  await system.inject('clear', '--instance', '2');
  await system.calm();
});

test('a fault is injected and cleared by keyboard alone', async () => {
  const { dash } = pages[0];
  await dash.ready();
  await dash.lists([]);
  const { keyboard } = dash.page;
  /** Walks by Tab to the element with this `data-testid`, or inside of it. */
  const walk = async (id) => {
    const path = [];
    for (let n = 0; n < 200; n += 1) {
      await keyboard.press('Tab');
      const here = await dash.page.evaluate((id) => {
        const active = document.activeElement;
        const outline = getComputedStyle(active);
        const visible = outline.outlineStyle !== 'none' || outline.boxShadow !== 'none';
        return {
          name: active.dataset?.testid ?? active.localName,
          there: active.closest(`[data-testid="${id}"]`) !== null,
          visible,
        };
      }, id);
      path.push(here.name);
      if (here.there) {
        assert.ok(here.visible, `the focus is seen at ${here.name}`);
        return;
      }
    }
    assert.fail(`Tab does not lead to ${id}: ${path.join(' ')}`);
  };
  /** Chooses by letters and arrows, as a list or a group of choices takes them. */
  const pick = async (id, value) => {
    const chosen = () =>
      dash
        .at(id)
        .evaluate((element) =>
          element.matches('select') ? element.value : element.querySelector('input:checked')?.value,
        );
    await keyboard.press('Home');
    for (let n = 0; n < 12 && (await chosen()) !== value; n += 1) await keyboard.press('ArrowDown');
    assert.equal(await chosen(), value, `${id} by keyboard`);
  };
  await dash.page.evaluate(() => {
    document.activeElement?.blur();
    scrollTo(0, 0);
  });
  await walk('fault-instance');
  await pick('fault-instance', '3');
  await walk('fault-kind');
  await pick('fault-kind', 'stale');
  await walk('inject');
  await keyboard.press('Enter');
  await dash.becomes('3', 'OFF', 2500);
  await dash.lists(['3 stale']);
  await walk('clear');
  await keyboard.press('Enter');
  await dash.lists([]);
  await dash.becomes('3', 'ON', 25_000);
  const focus = await dash.page.evaluate(() => document.activeElement?.localName);
  if (focus === 'body') console.log('note: the focus is lost when the cleared fault leaves the list');
});

test('a reader who wants no motion gets none', async () => {
  const { dash } = pages[0];
  await dash.page.emulateMedia({ reducedMotion: 'reduce' });
  const moving = await dash.page.evaluate(
    () =>
      document
        .getAnimations()
        .filter((one) => one.playState === 'running' && Number(one.effect?.getComputedTiming().duration) > 1).length,
  );
  assert.equal(moving, 0);
  await dash.page.emulateMedia({ reducedMotion: null });
});

test('nothing complained in any of it', () => {
  for (const { dash } of pages) dash.blameless();
});

test('the assets are small, and may be kept only if asked for again', async (t) => {
  let sum = 0;
  for (const name of ['', 'app.js', 'app.css', 'favicon.svg']) {
    const answer = await fetch(system.page + name, { headers: { 'accept-encoding': 'identity' } });
    assert.equal(answer.status, 200, name);
    const { byteLength } = await answer.arrayBuffer();
    assert.ok(byteLength > 0, `${name} is empty`);
    sum += byteLength;
    assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/, name);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', name);
    const etag = answer.headers.get('etag');
    assert.ok(etag, `${name} has an ETag`);
    const again = await fetch(system.page + name, { headers: { 'if-none-match': etag } });
    assert.equal(again.status, 304, `${name} again`);
  }
  t.diagnostic(`${(sum / 1024).toFixed(1)} KiB`);
  assert.ok(sum < LIMIT_BYTES, `${sum} bytes`);
});

test('something is painted within 200 ms', async (t) => {
  for (const { dash } of pages.splice(0)) await dash.close();
  const times = [];
  for (let n = 0; n < 5; n += 1) {
    const dash = await Dash.open(browser, system.page);
    const paint = () =>
      dash.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null);
    times.push(await until('the first paint', paint, { is: (ms) => ms !== null }));
    await dash.close();
  }
  t.diagnostic(`first contentful paint: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  assert.ok(Math.min(...times) < PAINT_MS, `the best of ${times.map((ms) => ms.toFixed(0))} ms`);
});
