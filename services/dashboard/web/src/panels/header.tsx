// Who is connected, which services are up, and the alarms.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { connection, serverNow, store } from '../app';
import { format, t } from '../i18n';
import { useSlices } from '../schedule';
import { SOURCES, type SourceName } from '../wire';

export function Header() {
  useSlices('connection', 'sources', 'system');
  const { live, lastMs } = connection;
  const text = live ? t.live : lastMs === null ? t.connecting : t.reconnecting;
  return (
    <header class="top">
      <h1>
        <img src="/favicon.svg" alt="" width="24" height="24" />
        tolerancia
        {store.version && <small>{store.version}</small>}
      </h1>
      <ul class="sources">
        {SOURCES.map((name) => (
          <SourceMark key={name} name={name} />
        ))}
      </ul>
      <p class="connection" role="status" data-testid="connection" data-state={live ? 'live' : 'reconnecting'}>
        <i class="dot" aria-hidden="true" />
        {text}
      </p>
    </header>
  );
}

function SourceMark({ name }: { name: SourceName }) {
  const source = store.sources[name];
  const up = source?.up ?? false;
  const state = !source ? null : up ? (source.state ?? 'UP') : 'DOWN';
  const word = state === null ? t.none : t.source.state[state];
  const details = Object.entries(source?.details ?? {}).map(([part, text]) => `${part}: ${text}`);
  if (source?.error) details.push(source.error);
  const since = source ? t.source.since(format.when(Date.parse(source.since), serverNow())) : '';
  return (
    <li
      class={`source ${state === 'UP' ? 'good' : state === null ? '' : state === 'DOWN' ? 'bad' : 'warn'}`}
      data-testid={`source-${name}`}
      data-state={up ? 'up' : 'down'}
    >
      <i class="dot" aria-hidden="true" />
      <span>{name}</span> <b>{word}</b> <small class="since">{since}</small>
      {details.map((text) => (
        <small key={text} class="why" lang="en">
          {text}
        </small>
      ))}
    </li>
  );
}

/** The quorum is lost: nothing on the page is more important. */
export function Alarm() {
  useSlices('status');
  const status = store.status;
  const lost = status?.quorum_lost ?? false;
  useEffect(() => {
    // Whoever has the page in another tab sees it too.
    document.title = lost ? `⚠ ${t.quorumLost} · tolerancia` : `tolerancia · ${t.title}`;
  }, [lost]);
  return (
    <div role="alert" class="alarms">
      {status && lost && (
        <div class="alarm" data-testid="quorum-lost">
          <svg width="28" height="28" viewBox="0 0 28 28" aria-hidden="true">
            <path d="M14 3 26 25H2Z M14 11v7 M14 21v.5" />
          </svg>
          <div>
            <strong>{t.quorumLost}</strong>
            <p>{t.quorumLostText(status.on, status.quorum)}</p>
          </div>
        </div>
      )}
    </div>
  );
}

/** Tells changes of verdicts, and that the quorum is back, to those who listen. */
export function Spoken() {
  useSlices('failures', 'status');
  const at = useRef<{ seq: number; lost: boolean } | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const newest = store.failures[0]?.seq ?? 0;
  const lost = store.status?.quorum_lost ?? false;
  useLayoutEffect(() => {
    if (!store.status) return;
    const before = at.current;
    at.current = { seq: newest, lost };
    if (!before || !box.current) return;
    const fresh = store.failures.filter((one) => one.seq > before.seq && one.from !== one.to).reverse();
    const said = fresh
      .slice(-3)
      .map((one) => t.glance.verdict(one.instance, one.to, t.glance.reason[one.reason.kind]));
    if (before.lost && !lost) said.push(t.quorumBack);
    if (said.length > 0) box.current.textContent = said.join(' ');
  }, [newest, lost, store.status !== null]);
  return <div ref={box} class="unseen" aria-live="polite" />;
}
