// The page: one connection, one store, six panels.
import { render } from 'preact';
import { onNeeded } from './api';
import { connection, store } from './app';
import { lang } from './i18n';
import { Client } from './panels/client';
import { Experiments } from './panels/experiments';
import { Failures } from './panels/failures';
import { Glance } from './panels/glance';
import { Alarm, Header, Spoken } from './panels/header';
import { Inject } from './panels/inject';
import { Votes } from './panels/votes';
import { changed, useSlices } from './schedule';
import { listen } from './stream';
import { Messages } from './ui/messages';
import { TokenDialog } from './ui/token';

declare global {
  interface Window {
    /** For tests: what the page holds. Reading it changes nothing. */
    readonly __tolerancia: { sizes: Store['sizes']; state: () => unknown };
  }
}
type Store = typeof store;

function Page() {
  useSlices('system', 'connection');
  const injection = store.system?.injection ?? true;
  return (
    <>
      <Header />
      <Alarm />
      <Spoken />
      <main class={injection ? 'panels' : 'panels no-inject'}>
        <Glance />
        <Inject />
        <Votes />
        <Client />
        <Failures />
        <Experiments />
      </main>
      <Messages />
      <TokenDialog />
    </>
  );
}

document.documentElement.lang = lang;
Object.defineProperty(window, '__tolerancia', {
  value: Object.freeze({
    sizes: () => store.sizes(),
    state: () => structuredClone({ connection, ...store.state() }),
  }),
});
onNeeded(() => store.system?.token ?? false);

const app = document.getElementById('app');
if (app) {
  app.replaceChildren();
  render(<Page />, app);
}

listen('/api/live', {
  event: (name, data) => store.apply(name, data, Date.now()),
  connection: (live, lastMs) => {
    connection.live = live;
    connection.lastMs = lastMs;
    document.documentElement.dataset['connection'] = live ? 'live' : 'reconnecting';
    changed('connection');
  },
});
