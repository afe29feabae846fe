// The user's language, its words, and numbers and times as it writes them.
import { en, type Words } from './en';
import { es } from './es';

/** The first of the browser's languages that there is a dictionary for; with its region, for Intl. */
export function choose(languages: readonly string[]): { tag: string; words: Words } {
  for (const tag of languages) {
    const base = tag.toLowerCase().split('-')[0];
    if (base === 'es') return { tag, words: es };
    if (base === 'en') return { tag, words: en };
  }
  return { tag: 'en', words: en };
}

const chosen = choose(typeof navigator === 'undefined' ? [] : navigator.languages);
export const lang = chosen.tag;
export const t = chosen.words;

export interface Formats {
  int(n: number): string;
  number(n: number, digits?: number): string;
  percent(share: number): string;
  /** Milliseconds, with the digits that matter. */
  ms(ms: number): string;
  time(ms: number): string;
  minute(ms: number): string;
  dateTime(ms: number): string;
  /** The time, or day and time of what was on another day than `now`. */
  when(ms: number, now: number): string;
  /** `3 min 20 s` */
  duration(seconds: number): string;
}

export function formats(tag: string): Formats {
  const ints = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 });
  const numbers = [0, 1, 2].map((digits) => new Intl.NumberFormat(tag, { maximumFractionDigits: digits }));
  const percents = new Intl.NumberFormat(tag, { style: 'percent', maximumFractionDigits: 2 });
  const time = new Intl.DateTimeFormat(tag, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  const minute = new Intl.DateTimeFormat(tag, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const dateTime = new Intl.DateTimeFormat(tag, {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const unit = (name: string) =>
    new Intl.NumberFormat(tag, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 });
  const units = { day: unit('day'), hour: unit('hour'), minute: unit('minute') };
  // "sec" is no unit symbol; "s" is, in every language.
  const seconds = (n: number) => `${ints.format(n)} s`;
  const day = (ms: number) => new Date(ms).toDateString();
  const number = (n: number, digits: number) => (numbers[digits] ?? ints).format(n);
  return {
    int: (n) => ints.format(n),
    number: (n, digits = 1) => number(n, digits),
    // 99.999 % is not 100 %.
    percent: (share) => percents.format(share < 1 ? Math.floor(share * 10_000) / 10_000 : share),
    ms: (ms) => (ms < 1_000 ? `${number(ms, ms < 1 ? 2 : ms < 100 ? 1 : 0)} ms` : `${number(ms / 1_000, 2)} s`),
    time: (ms) => time.format(ms),
    minute: (ms) => minute.format(ms),
    dateTime: (ms) => dateTime.format(ms),
    when: (ms, now) => (day(ms) === day(now) ? time : dateTime).format(ms),
    duration: (all) => {
      const whole = Math.max(0, Math.floor(all));
      const [d, h, m, s] = [
        Math.floor(whole / 86_400),
        Math.floor(whole / 3_600) % 24,
        Math.floor(whole / 60) % 60,
        whole % 60,
      ];
      if (d > 0) return `${units.day.format(d)} ${units.hour.format(h)}`;
      if (h > 0) return `${units.hour.format(h)} ${units.minute.format(m)}`;
      return m > 0 ? `${units.minute.format(m)} ${seconds(s)}` : seconds(s);
    },
  };
}

export const format = formats(lang);
