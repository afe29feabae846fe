// The page's one store, and what is known of the connection.
import { useReducer } from 'preact/hooks';
import { changed } from './schedule';
import type { Charted } from './store/clock';
import { Store } from './store/store';

export const store = new Store();
store.changed = changed;

export const connection: { live: boolean; lastMs: number | null } = { live: false, lastMs: null };

/** The server's clock now, Unix milliseconds. */
export function serverNow(): number {
  return Date.now() + store.skewMs;
}

/** Since when the data of a service are not new any more, Unix milliseconds of the server; null while they are. */
export function staleSince(source: 'monitor-svc' | 'voter-svc'): number | null {
  if (!connection.live && connection.lastMs !== null) return connection.lastMs + store.skewMs;
  const known = store.sources[source];
  return known && !known.up ? Date.parse(known.since) : null;
}

/** What time it is for those who stamp these data, or was when they became old: the newest instant of a chart. */
export function dataNow(of: Charted): number {
  const since = staleSince(of === 'votes' ? 'voter-svc' : 'monitor-svc');
  return store.time(of, since === null ? Date.now() : since - store.skewMs);
}

export function useRedraw(): () => void {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  return () => draw(undefined);
}
