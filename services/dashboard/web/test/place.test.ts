import assert from 'node:assert/strict';
import test from 'node:test';
import { places } from '../src/charts/place';

const names = (...wanted: number[]) => wanted.map((at) => ({ wanted: at, width: 20 }));

test('of names that would overlap the first is kept, and the gap between two', () => {
  assert.deepEqual(places(names(60, 50, 40, 36, 10), 0, 100, 4), [60, null, null, 36, 10]);
  assert.deepEqual(places(names(50, 50, 50), 0, 100, 4), [50, null, null]);
});

test('a name at the right edge begins further to the left, and none is cut', () => {
  assert.deepEqual(places(names(99, 70, 50), 0, 100, 4), [80, null, 50]);
  assert.deepEqual(places(names(99), 0, 10, 4), [null]);
  assert.deepEqual(places([], 0, 10, 4), []);
});

test('a narrow name further to the left does not go over what stands there already', () => {
  const wide = { wanted: 70, width: 60 };
  assert.deepEqual(places([wide, { wanted: 50, width: 10 }, { wanted: 20, width: 10 }], 0, 100, 4), [40, null, 20]);
});
