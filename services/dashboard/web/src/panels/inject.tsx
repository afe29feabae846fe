// Breaking the system, and mending it.
import { useRef, useState } from 'preact/hooks';
import { clearAll, clearInstance, inject } from '../api';
import { dataNow, serverNow, staleSince, store } from '../app';
import { format, t } from '../i18n';
import { useSecond, useSlices } from '../schedule';
import { faultKey } from '../store/store';
import { attempt } from '../ui/message-state';
import { Panel } from '../ui/panel';
import type { FaultName, FaultSpec, FaultWindow, Scope } from '../wire';

export const FAULTS: readonly FaultName[] = ['crash', 'latency', 'intermittent', 'incorrect', 'freeze', 'stale'];
const SCOPES: readonly Scope[] = ['all', 'queries', 'health'];

interface Fields {
  instance: string;
  kind: FaultName;
  latency: string;
  probability: string;
  product: string;
  scope: Scope;
}

/** What the form says, in the words of the interface. */
export function specOf(fields: Fields): FaultSpec {
  switch (fields.kind) {
    case 'latency': {
      const spec: FaultSpec = { fault: 'latency', scope: fields.scope };
      if (fields.latency !== '') spec.latency_ms = Number(fields.latency);
      return spec;
    }
    case 'intermittent':
      return { fault: 'intermittent', probability: Number(fields.probability), scope: fields.scope };
    case 'incorrect':
      return { fault: 'incorrect', product: fields.product.trim() };
    default:
      return { fault: fields.kind };
  }
}

export function Inject() {
  useSlices('system', 'faults', 'status');
  const [fields, setFields] = useState<Fields>({
    instance: '1',
    kind: 'latency',
    latency: '',
    probability: '0.5',
    product: 'PROD-001',
    scope: 'all',
  });
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState('');
  if (!store.system?.injection) return null;
  const set = (change: Partial<Fields>) => setFields({ ...fields, ...change });
  const { kind } = fields;
  const gray = kind === 'latency' || kind === 'intermittent';

  const submit = async (event: Event) => {
    event.preventDefault();
    // Not `disabled` meanwhile: a disabled button loses the focus, and the dialog could not give it back.
    if (busy) return;
    setBusy(true);
    setDone('');
    const went = await attempt(t.error.inject, () => inject(fields.instance, specOf(fields)));
    setBusy(false);
    if (went) setDone(t.inject.done(t.fault[kind], fields.instance));
  };

  return (
    <Panel id="inject" title={t.inject.title}>
      <form class="grid" data-testid="fault-form" onSubmit={submit}>
        <label>
          {t.inject.instance}
          <select
            data-testid="fault-instance"
            value={fields.instance}
            onChange={(e) => set({ instance: e.currentTarget.value })}
          >
            {Array.from({ length: store.system.replicas }, (_, n) => (
              <option key={n} value={String(n + 1)}>
                {n + 1}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t.inject.kind}
          <select
            data-testid="fault-kind"
            value={kind}
            aria-describedby="fault-about"
            onChange={(e) => set({ kind: e.currentTarget.value as FaultName })}
          >
            {FAULTS.map((name) => (
              <option key={name} value={name}>
                {t.fault[name]}
              </option>
            ))}
          </select>
        </label>
        <p class="hint full" id="fault-about">
          {t.faultAbout[kind]}
        </p>
        {kind === 'latency' && (
          <label>
            {t.inject.latency}
            <input
              type="number"
              data-testid="fault-latency"
              min="1"
              max="60000"
              step="1"
              inputMode="numeric"
              placeholder={t.inject.latencyHint}
              value={fields.latency}
              onInput={(e) => set({ latency: e.currentTarget.value })}
            />
          </label>
        )}
        {kind === 'intermittent' && (
          <label>
            {t.inject.probability}
            <input
              type="number"
              data-testid="fault-probability"
              min="0.01"
              max="1"
              step="0.01"
              inputMode="decimal"
              required
              title={t.inject.probabilityHint}
              value={fields.probability}
              onInput={(e) => set({ probability: e.currentTarget.value })}
            />
          </label>
        )}
        {kind === 'incorrect' && (
          <label>
            {t.inject.product}
            <input
              type="text"
              data-testid="fault-product"
              required
              maxLength={64}
              autoComplete="off"
              spellcheck={false}
              value={fields.product}
              onInput={(e) => set({ product: e.currentTarget.value })}
            />
          </label>
        )}
        {gray && (
          <label>
            {t.inject.scope}
            <select
              data-testid="fault-scope"
              value={fields.scope}
              onChange={(e) => set({ scope: e.currentTarget.value as Scope })}
            >
              {SCOPES.map((name) => (
                <option key={name} value={name}>
                  {t.inject.scopes[name]}
                </option>
              ))}
            </select>
          </label>
        )}
        {risky(fields.instance) && <p class="hint warn full">{t.inject.quorum}</p>}
        <div class="full row">
          <button type="submit" class="danger" data-testid="inject" aria-disabled={busy}>
            {busy ? t.inject.going : t.inject.go}
          </button>
          <span class="muted" role="status">
            {done}
          </span>
        </div>
      </form>
      <Active />
    </Panel>
  );
}

/** Whether the quorum goes if this instance goes. */
function risky(instance: string): boolean {
  const status = store.status;
  if (!status) return false;
  const left = status.instances.filter((one) => one.status === 'ON' && one.instance !== instance).length;
  return left < status.quorum && !status.quorum_lost;
}

function Active() {
  useSlices('faults');
  useSecond();
  const [clearing, setClearing] = useState(false);
  const active = store.faults.filter((one) => one.active && one.fault !== 'crash');
  const heading = useRef<HTMLHeadingElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const clear = async (what: () => Promise<unknown>) => {
    if (clearing) return;
    setClearing(true);
    const went = await attempt(t.error.clear, what);
    setClearing(false);
    // The button of a fault goes with it; who used it stays here, unless they have gone on meanwhile.
    const at = document.activeElement;
    if (went && (at === document.body || list.current?.contains(at))) heading.current?.focus();
  };
  return (
    <div class="with-title">
      <div class="row between">
        <h3 ref={heading} tabIndex={-1} data-testid="active-faults">
          {t.inject.active}
        </h3>
        <button type="button" data-testid="clear-all" aria-disabled={clearing} onClick={() => void clear(clearAll)}>
          {t.inject.clearAll}
        </button>
      </div>
      {active.length === 0 ? (
        <p class="empty">{t.inject.nothing}</p>
      ) : (
        <ul class="active-faults" ref={list}>
          {active.map((one) => {
            const several = active.filter((other) => other.instance === one.instance).length > 1;
            return (
              <li
                key={faultKey(one)}
                data-testid="active-fault"
                data-instance={one.instance}
                data-fault={one.fault}
              >
                <div>
                  <b>{t.fault[one.fault]}</b> · {t.glance.instance(one.instance)}
                  <small>
                    {[...parameters(one), duration(one)].join(' · ')}
                  </small>
                </div>
                <button
                  type="button"
                  data-testid="clear"
                  aria-disabled={clearing}
                  aria-label={t.inject.clearLabel(t.fault[one.fault], one.instance, several)}
                  title={t.inject.clearLabel(t.fault[one.fault], one.instance, several)}
                  onClick={() => void clear(() => clearInstance(one.instance))}
                >
                  {t.inject.clear}
                </button>
              </li>
            );
          })}
        </ul>
      )}
    </div>
  );
}

function duration(of: FaultWindow): string {
  const now = staleSince('monitor-svc') === null ? dataNow('suspicion') : serverNow();
  return t.inject.since(format.duration((now - Date.parse(of.activated_at.at)) / 1_000));
}

function parameters({ spec }: FaultWindow): string[] {
  if (!spec) return [];
  const all: string[] = [];
  if (spec.latency_ms != null) all.push(format.ms(spec.latency_ms));
  if (spec.probability !== undefined) all.push(format.percent(spec.probability));
  if (spec.product !== undefined) all.push(spec.product);
  if (spec.scope && spec.scope !== 'all') all.push(t.inject.scopes[spec.scope]);
  return all;
}
