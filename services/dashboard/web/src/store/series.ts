// The columns of the charts: instants or seconds, oldest first, and what was then. `endMs` is the newest instant in view,
// by the clock of those who stamp the data.
import type { RequestsSecond, Suspicion, VotesSecond } from '../wire';
import { lastIndex, type Seconds } from './ring';
import { CLIENT_SERVICES, type ClientService, WINDOW_S } from './store';

type Column = (number | null)[];
/** Seconds of Unix time, then one column per line. */
export type Columns = [number[], ...Column[]];
export type Requests = Record<ClientService, Seconds<RequestsSecond>>;

/**
 * Rows of the last seconds may still grow; they are shown when they are whole. A process tells of a second up to a second
 * after its end, the monitor gathers for half a second more: with less, the newest second would dip to 0 until it comes.
 */
const SETTLE_S = 3;
/** Levels far above the threshold are cut here: how far is not the point. */
export const MOST_SHARE = 2;

/** The newest second of requests that is whole. */
function settled(endMs: number): number {
  return Math.floor(endMs / 1_000) - SETTLE_S;
}

function until(last: number): number[] {
  return Array.from({ length: WINDOW_S }, (_, n) => last - WINDOW_S + 1 + n);
}

/** Each instance's level as a share of the threshold. */
export function levels(rows: readonly Suspicion[], count: number, endMs: number): Columns {
  // A clock that was set back leaves rows of the future behind.
  const known = rows.map((row) => ({ row, at: Date.parse(row.at) })).filter(({ at }) => at <= endMs);
  known.sort((a, b) => a.at - b.at);
  const columns = Array.from({ length: count }, (_, n) =>
    known.map(({ row: { levels, threshold } }) => {
      const level = levels[n];
      return level == null || threshold <= 0 ? null : Math.min(level / threshold, MOST_SHARE);
    }),
  );
  return [known.map(({ at }) => at / 1_000), ...columns];
}

export function votes(rows: Seconds<VotesSecond>, of: readonly ((row: VotesSecond) => number)[], endMs: number): Columns {
  const seconds = until(Math.floor(endMs / 1_000));
  const known = seconds.map((second) => rows.at(second));
  return [seconds, ...of.map((value) => known.map((row) => (row ? value(row) : null)))];
}

/** Requests, and those of them that failed. */
export function rate(all: Requests, service: ClientService, endMs: number): Columns {
  const seconds = until(settled(endMs));
  // A second of which nothing is known of any service is no second without requests.
  const value = (second: number, of: (row: RequestsSecond) => number) => {
    const row = all[service].at(second);
    if (row) return of(row);
    return CLIENT_SERVICES.some((name) => all[name].at(second)) ? 0 : null;
  };
  return [seconds, seconds.map((s) => value(s, (row) => row.count)), seconds.map((s) => value(s, (row) => row.failed))];
}

/** p50, p95 and p99 in milliseconds, for a logarithmic scale. */
export function latency(all: Requests, service: ClientService, endMs: number): Columns {
  const seconds = until(settled(endMs));
  const rows = seconds.map((second) => all[service].at(second));
  const column = (of: (row: RequestsSecond) => number) =>
    rows.map((row) => (row && row.count > 0 ? Math.max(of(row), 1) / 1_000 : null));
  return [seconds, column((row) => row.p50_us), column((row) => row.p95_us), column((row) => row.p99_us)];
}

/** The newest whole second, and the sums of the window before now. */
export function figures(
  rows: Seconds<RequestsSecond>,
  endMs: number,
): { row: RequestsSecond | undefined; all: number; failed: number } {
  const now = Math.floor(endMs / 1_000);
  const known = rows.toArray().filter(({ second }) => second > now - WINDOW_S && second <= now);
  const last = settled(endMs);
  return {
    row: known[lastIndex(known, ({ second }) => second <= last && second > last - 5)],
    all: known.reduce((sum, { count }) => sum + count, 0),
    failed: known.reduce((sum, one) => sum + one.failed, 0),
  };
}
