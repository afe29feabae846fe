import assert from 'node:assert/strict';
import test from 'node:test';
import { choose, formats } from '../src/i18n';

test('the first language that there are words for is taken, with its region', () => {
  assert.equal(choose(['de-DE', 'es-CL', 'en']).tag, 'es-CL');
  assert.equal(choose(['es']).words.live, 'En vivo');
  assert.equal(choose(['en-GB', 'es']).words.live, 'Live');
  assert.equal(choose(['fr']).tag, 'en');
  assert.equal(choose([]).tag, 'en');
});

test('numbers are written as the language does', () => {
  assert.equal(formats('en').ms(86.44), '86.4 ms');
  assert.equal(formats('es').ms(86.44), '86,4 ms');
  assert.equal(formats('es').ms(8_226), '8,23 s');
  assert.equal(formats('en').duration(3_725), '1 hr 2 min');
  assert.equal(formats('es').duration(200), '3 min 20 s');
});

test('nearly all is not all', () => {
  assert.equal(formats('en').percent(0.999_999), '99.99%');
  assert.equal(formats('en').percent(1), '100%');
});

test('what was on another day has its date', () => {
  const at = (day: number, hour: number, minute = 0) => new Date(2026, 0, day, hour, minute).getTime();
  const { when } = formats('en');
  assert.equal(when(at(5, 0, 5), at(5, 23, 55)), '00:05:00');
  assert.equal(when(at(4, 23, 59), at(5, 0, 1)), 'Jan 4, 23:59');
});
