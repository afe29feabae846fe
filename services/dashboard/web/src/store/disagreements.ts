// What a disagreement is, and which come first.
import type { Disagreement } from '../wire';
import { lastIndex } from './ring';

/** For so long after its last vote a lie or a lost quorum stays above lag: lag comes with every write. */
const URGENT_MS = 10_000;

export type DisagreementKind = 'dissent' | 'stale' | 'no_quorum';

export function kindOf({ no_quorum, voices }: Disagreement): DisagreementKind {
  if (no_quorum) return 'no_quorum';
  return voices.some(({ standing }) => standing === 'dissents') ? 'dissent' : 'stale';
}

/**
 * The newest `last` first; but what is more than lag, and ended at most 10 s before the newest, stays above lag. Of more
 * than `most`, lag goes first, the oldest of it; the newest of all only where the others are as new, since lies of
 * yesterday must not hide that something lags now. The server keeps the same by the same rule.
 */
export function ordered(all: readonly Disagreement[], most: number): Disagreement[] {
  const list = all.map((of) => ({ of, last: Date.parse(of.last), lag: kindOf(of) === 'stale' }));
  const newest = list.reduce((max, { last }) => Math.max(max, last), -Infinity);
  const urgent = ({ last, lag }: (typeof list)[number]) => Number(!lag && newest - last <= URGENT_MS);
  list.sort((a, b) => urgent(b) - urgent(a) || b.last - a.last);
  while (list.length > most) {
    const lag = lastIndex(list, ({ lag, last }) => lag && last < newest);
    list.splice(lag >= 0 ? lag : list.length - 1, 1);
  }
  return list.map(({ of }) => of);
}
