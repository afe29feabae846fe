// The one connection to the dashboard: opens it, watches it, opens it anew.
import { EVENT_NAMES, type EventName, type Events } from './wire';

/** Nothing for this long means that the connection is dead, whatever the browser believes. */
const SILENCE_MS = 5_000;
const REOPEN_MS = 1_000;

export interface Listener {
  event<N extends EventName>(name: N, data: Events[N]): void;
  /** `lastMs`: when something was heard last, this machine's clock; null before the first time. */
  connection(live: boolean, lastMs: number | null): void;
}

/** Listens until the page goes away. */
export function listen(url: string, to: Listener): void {
  let source: EventSource | null = null;
  let lastMs: number | null = null;
  let openedMs = 0;
  let live = false;
  let reopening: ReturnType<typeof setTimeout> | null = null;

  const say = (now: boolean) => {
    live = now;
    to.connection(live, lastMs);
  };

  const open = () => {
    reopening = null;
    source?.close();
    const mine = new EventSource(url);
    source = mine;
    openedMs = Date.now();
    for (const name of EVENT_NAMES) {
      mine.addEventListener(name, (message: MessageEvent<string>) => {
        if (source !== mine) return;
        lastMs = Date.now();
        to.event(name, JSON.parse(message.data) as Events[typeof name]);
        if (!live) say(true);
      });
    }
    mine.addEventListener('error', () => {
      if (source !== mine) return;
      if (live) say(false);
      // The browser reconnects by itself, except after an answer that is no stream.
      if (mine.readyState === EventSource.CLOSED) later();
    });
  };

  const later = () => {
    reopening ??= setTimeout(open, REOPEN_MS);
  };

  open();
  setInterval(() => {
    const heardMs = Math.max(lastMs ?? 0, openedMs);
    if (Date.now() - heardMs < SILENCE_MS || reopening !== null) return;
    say(false);
    open();
  }, 1_000);
}
