// The verdict on each instance: which, since when, why.
import { instanceLook } from '../charts/theme';
import { Swatch } from '../charts/chart';
import { dataNow, serverNow, store } from '../app';
import { format, t } from '../i18n';
import { useSecond, useSlices } from '../schedule';
import { reasonOf } from '../store/reason';
import type { InstanceStatus, Reason } from '../wire';
import { Panel, VerdictMark } from '../ui/panel';
import { SuspicionChart } from './suspicion';

export function Glance() {
  useSlices('status', 'system');
  const status = store.status;
  return (
    <Panel
      id="glance"
      title={t.glance.title}
      from="monitor-svc"
      aside={status && <span>{t.glance.quorum(status.on, status.replicas, status.quorum)}</span>}
    >
      {status ? (
        <ul class="instances">
          {status.instances.map((one) => (
            <Instance key={one.instance} of={one} />
          ))}
        </ul>
      ) : (
        <p class="empty">{t.noData}</p>
      )}
      <SuspicionChart />
    </Panel>
  );
}

function Instance({ of }: { of: InstanceStatus }) {
  useSlices('replicas', 'faults', 'suspicion', 'failures');
  const n = of.instance;
  const reason = reasonOf(of, store.failures);
  const view = store.replicas.find((one) => one.instance === n);
  const catching = view?.health === 'CATCHING_UP';
  const silent = view !== undefined && view.health === null;
  const active = store.faults.filter((one) => one.instance === n && one.active);
  return (
    <li
      class={`instance ${of.status === 'ON' ? 'on' : 'off'}`}
      data-testid={`instance-${n}`}
      data-verdict={of.status}
      data-phase={of.phase}
      data-catching-up={catching ? 'true' : 'false'}
    >
      <div class="head">
        <h3>
          {t.glance.instance(n)} <Swatch look={instanceLook(n)} />
        </h3>
        <VerdictMark verdict={of.status} />
      </div>
      <p class="phase">
        <b>{t.glance.phase[of.phase]}</b>
        {catching && <b class="tag warn">{t.glance.catchingUp}</b>}
        {silent && <b class="tag bad">{t.glance.silent}</b>}
      </p>
      <p class="since">
        {t.glance.since(format.when(Date.parse(of.since.at), serverNow()))} · <Ago at={Date.parse(of.since.at)} />
      </p>
      <p class="reason" data-testid={`instance-${n}-reason`} data-kind={reason.kind}>
        {t.glance.reason[reason.kind]}
      </p>
      {active.length > 0 && (
        <p class="chips">
          {active.map((one) => (
            <span key={one.activated_at.mono_ns} class="tag fault">
              {t.glance.activeFault(t.fault[one.fault])}
            </span>
          ))}
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>{t.glance.applied}</dt>
          <dd>{view?.applied == null ? t.none : format.int(view.applied)}</dd>
        </div>
        <div>
          <dt>{t.glance.lag}</dt>
          <dd class={view?.lag ? 'warn' : ''}>
            {view?.lag == null ? t.none : t.glance.events(format.int(view.lag), view.lag === 1)}
          </dd>
        </div>
        <div>
          <dt>{t.glance.check}</dt>
          <dd>{view?.check_ms == null ? t.none : format.ms(view.check_ms)}</dd>
        </div>
        <div>
          <dt>{t.glance.suspicion}</dt>
          <dd>{level(n)}</dd>
        </div>
      </dl>
      <Evidence reason={reason} />
    </li>
  );
}

function level(instance: string): string {
  const newest = store.suspicion.last();
  const value = newest?.levels[Number(instance) - 1];
  return newest && value != null && newest.threshold > 0 ? format.percent(Math.round((value / newest.threshold) * 100) / 100) : t.none;
}

function Ago({ at }: { at: number }) {
  useSecond();
  return <span class="number">{format.duration((dataNow('suspicion') - at) / 1_000)}</span>;
}

/** The monitor's own sentence, and the evidence piece by piece. */
export function Evidence({ reason, summary = t.glance.evidence }: { reason: Reason; summary?: string }) {
  const clues = reason.evidence ?? [];
  return (
    <details class="evidence">
      <summary>{summary}</summary>
      <p lang="en">{reason.text}</p>
      {clues.length > 0 && (
        <div class="scroll" tabIndex={0} role="group" aria-label={t.glance.evidence}>
          <table>
            <thead>
              <tr>
                <th scope="col" class="right">
                  {t.glance.clue.before}
                </th>
                <th scope="col">{t.glance.clue.what}</th>
                <th scope="col">{t.glance.clue.from}</th>
                <th scope="col" class="right">
                  {t.glance.clue.adds}
                </th>
              </tr>
            </thead>
            <tbody>
              {clues.map((clue, n) => (
                <tr key={n}>
                  <td class="right">{format.ms(clue.ms_before)}</td>
                  <td>
                    {t.glance.seen[clue.what]}
                    {clue.count > 1 && ` ×${format.int(clue.count)}`}
                  </td>
                  <td>{clue.from}</td>
                  <td class="right">{format.number(clue.likelihood, 2)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
