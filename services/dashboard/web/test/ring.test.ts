import assert from 'node:assert/strict';
import test from 'node:test';
import { Ring, Seconds } from '../src/store/ring';

test('a ring keeps the newest, oldest first', () => {
  const ring = new Ring<number>(3);
  assert.deepEqual([ring.toArray(), ring.last()], [[], undefined]);
  for (const n of [1, 2, 3, 4, 5]) ring.push(n);
  assert.deepEqual([ring.toArray(), ring.last(), ring.length], [[3, 4, 5], 5, 3]);
  ring.clear();
  assert.deepEqual([ring.toArray(), ring.length], [[], 0]);
});

test('a later row of a second takes the place of the earlier', () => {
  const seconds = new Seconds<{ second: number; n: number }>(3);
  seconds.put({ second: 10, n: 1 });
  seconds.put({ second: 10, n: 2 });
  assert.deepEqual(seconds.toArray(), [{ second: 10, n: 2 }]);
});

test('a clock that was set back does not stop the seconds', () => {
  const seconds = new Seconds<{ second: number }>(300);
  for (const second of [10_000, 10_001, 9_702, 9_701, 9_402]) seconds.put({ second });
  assert.deepEqual(seconds.toArray(), [9_702, 10_000, 10_001].map((second) => ({ second })));
  seconds.put({ second: 9_401 });
  seconds.put({ second: 9_402 });
  assert.deepEqual(seconds.toArray(), [{ second: 9_401 }, { second: 9_402 }]);
});

test('seconds outside the window are neither kept nor taken in, whatever the gaps', () => {
  // Against the plain rule: what is within the window of the newest, unless the clock was set back by two of them.
  for (let seed = 1; seed < 200; seed += 1) {
    const window = 5;
    const seconds = new Seconds<{ second: number; n: number }>(window);
    const plain = new Map<number, number>();
    let at = 100;
    let random = seed;
    for (let n = 0; n < 40; n += 1) {
      random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
      at += (random % 9) - 3;
      seconds.put({ second: at, n });
      if (Math.max(...plain.keys()) - at >= 2 * window) plain.clear();
      const newest = Math.max(at, ...plain.keys());
      if (at > newest - window) plain.set(at, n);
      for (const key of plain.keys()) if (key <= newest - window) plain.delete(key);
      const expected = [...plain].sort(([a], [b]) => a - b).map(([second, value]) => ({ second, n: value }));
      assert.deepEqual(seconds.toArray(), expected);
      assert.equal(seconds.length, expected.length);
    }
  }
});
