// Waiting for something to become true, and saying what was seen instead.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks `probe` again and again until `is` holds for what it returns, and returns that. A probe that throws counts as
 * having seen its error.
 *
 * @param {string} what what is waited for, for the message
 * @param {() => unknown} probe
 * @param {{is?: (seen: any) => boolean, within?: number, every?: number, about?: () => unknown}} [how] `within` and
 *   `every` in milliseconds; `about` adds to the message of a failure
 */
export async function until(what, probe, { is = Boolean, within = 10_000, every = 25, about } = {}) {
  const began = performance.now();
  for (;;) {
    let seen;
    try {
      seen = await probe();
      if (is(seen)) return seen;
    } catch (error) {
      seen = error;
    }
    const waited = performance.now() - began;
    if (waited > within) {
      const more = about ? `\n${shown(await Promise.resolve().then(about).catch(shown))}` : '';
      assert.fail(`${what}: not within ${within} ms; last seen: ${shown(seen)}${more}`);
    }
    await sleep(every);
  }
}

/** A value for people. */
export function shown(value) {
  if (value instanceof Error) return value.stack ?? value.message;
  if (typeof value === 'string') return value;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 4000 ? `${text.slice(0, 4000)} …` : text;
}
