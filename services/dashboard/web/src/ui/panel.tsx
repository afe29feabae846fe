import type { ComponentChildren } from 'preact';
import { staleSince } from '../app';
import { format, t } from '../i18n';
import { useSlices } from '../schedule';

interface PanelProps {
  id: string;
  title: string;
  /** Where the data comes from: greyed while that is down. */
  from?: 'monitor-svc' | 'voter-svc';
  aside?: ComponentChildren;
  children: ComponentChildren;
}

/** A frame with a heading; says so when what it shows is not new any more. */
export function Panel({ id, title, from, aside, children }: PanelProps) {
  return (
    <section class="panel" id={id} aria-labelledby={`${id}-title`}>
      <header>
        <h2 id={`${id}-title`}>{title}</h2>
        {from && <AsOf from={from} />}
        {aside && <div class="aside">{aside}</div>}
      </header>
      {from ? <Fresh from={from}>{children}</Fresh> : <div class="body">{children}</div>}
    </section>
  );
}

/** Greys what is inside while its source is down. */
export function Fresh({ from, children }: { from: 'monitor-svc' | 'voter-svc'; children: ComponentChildren }) {
  useSlices('sources', 'connection');
  return <div class={staleSince(from) === null ? 'body' : 'body old'}>{children}</div>;
}

/** "as of 12:00:00", while a source is down. */
export function AsOf({ from }: { from: 'monitor-svc' | 'voter-svc' }) {
  useSlices('sources', 'connection');
  const since = staleSince(from);
  return since === null ? null : <span class="as-of">{t.asOf(format.time(since))}</span>;
}

/** ON or OFF: told by word, form and colour. */
export function VerdictMark({ verdict }: { verdict: 'ON' | 'OFF' }) {
  return (
    <span class={`verdict ${verdict === 'ON' ? 'on' : 'off'}`}>
      <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
        <path d={verdict === 'ON' ? 'M2 6.5 5 9.5 10 3' : 'M2.5 2.5 9.5 9.5 M9.5 2.5 2.5 9.5'} />
      </svg>
      {verdict}
    </span>
  );
}
