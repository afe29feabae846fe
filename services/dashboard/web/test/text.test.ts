import assert from 'node:assert/strict';
import test from 'node:test';
import { paced } from '../src/pace';
import { beginning } from '../src/text';

test('a text begins with its first sentence', () => {
  assert.deepEqual(beginning('Two detectors. 30 times each. Long.'), ['Two detectors.', '30 times each. Long.']);
  assert.deepEqual(beginning(' One `FILE.toml`\n and no more. '), ['One `FILE.toml` and no more.', '']);
  assert.deepEqual(beginning(''), ['', '']);
});

test('of a long sentence the beginning is shown, and nothing is lost', () => {
  const words = Array.from({ length: 60 }, (_, n) => `word${n}`);
  const [first, rest] = beginning(`${words.join(' ')}. And more.`);
  assert.ok(first.length <= 112 && first.endsWith(' …'), first);
  assert.equal(`${first.slice(0, -2)} ${rest.slice(2)}`, `${words.join(' ')}. And more.`);
  assert.equal(beginning('x'.repeat(300))[0].length, 112);
  const clauses = `${'word '.repeat(15)}one, two: ${'word '.repeat(15)}end.`;
  assert.match(beginning(clauses)[0], /one, two: …$/);
});

test('what is asked for often is done at once and then at most once in the time', (t) => {
  // What to mock is told in another way before node 20.11: all of it, then.
  t.mock.timers.enable();
  let done = 0;
  const pace = paced(1_000, () => (done += 1));
  for (let n = 0; n < 25; n += 1) {
    pace.ask();
    t.mock.timers.tick(100);
  }
  assert.equal(done, 3);
  t.mock.timers.tick(1_000);
  assert.equal(done, 4, 'the last one is not lost');
  t.mock.timers.tick(5_000);
  assert.equal(done, 4);
  pace.ask();
  pace.ask();
  pace.stop();
  t.mock.timers.tick(5_000);
  assert.equal(done, 5);
});
