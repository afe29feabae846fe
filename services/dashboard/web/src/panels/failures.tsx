// The history of verdicts, with the times of detection and recovery.
import { useState } from 'preact/hooks';
import { serverNow, store } from '../app';
import { faultsNow } from '../charts/shade';
import { format, t } from '../i18n';
import { useSlices } from '../schedule';
import { Panel, VerdictMark } from '../ui/panel';
import type { AuditEntry, FaultName } from '../wire';
import { Evidence } from './glance';
import { FAULTS } from './inject';

const PAGE = 12;

export function Failures() {
  useSlices('failures', 'faults', 'system');
  const [instance, setInstance] = useState('');
  const [fault, setFault] = useState('');
  const [phases, setPhases] = useState(false);
  const [pages, setPages] = useState(1);
  const { of } = faultsNow();
  const wanted = store.failures.filter(
    (one) =>
      (instance === '' || one.instance === instance) &&
      (fault === '' || (of.get(one.seq) ?? 'unknown') === fault) &&
      (phases || one.from !== one.to || one.reason.kind === 'initial'),
  );
  const shown = wanted.slice(0, pages * PAGE);
  const instances = Array.from({ length: store.system?.replicas ?? 3 }, (_, n) => String(n + 1));
  return (
    <Panel id="failures" title={t.failures.title} from="monitor-svc">
      <div class="filters">
        <label>
          {t.failures.instance}
          <select data-testid="filter-instance" value={instance} onChange={(e) => setInstance(e.currentTarget.value)}>
            <option value="">{t.failures.all}</option>
            {instances.map((n) => (
              <option key={n} value={n}>
                {n}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t.failures.fault}
          <select data-testid="filter-fault" value={fault} onChange={(e) => setFault(e.currentTarget.value)}>
            <option value="">{t.failures.all}</option>
            {FAULTS.map((name) => (
              <option key={name} value={name}>
                {t.fault[name]}
              </option>
            ))}
            <option value="unknown">{t.failures.unknown}</option>
          </select>
        </label>
        <label class="check">
          <input
            type="checkbox"
            data-testid="filter-phases"
            checked={phases}
            onChange={(e) => setPhases(e.currentTarget.checked)}
          />
          {t.failures.phases}
        </label>
      </div>
      {wanted.length === 0 ? (
        <p class="empty" data-testid="failures">
          {store.failures.length === 0 ? t.failures.empty : t.failures.emptyFilter}
        </p>
      ) : (
        <table class="history" data-testid="failures">
          <thead>
            <tr>
              <th scope="col">{t.failures.time}</th>
              <th scope="col">{t.failures.instance}</th>
              <th scope="col">{t.failures.change}</th>
              <th scope="col">{t.failures.why}</th>
              <th scope="col">{t.failures.fault}</th>
              <th scope="col" class="right">
                <abbr title={t.failures.ttdLong}>{t.failures.ttd}</abbr>
              </th>
              <th scope="col" class="right">
                <abbr title={t.failures.ttrLong}>{t.failures.ttr}</abbr>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => (
              <Row key={one.seq} of={one} fault={of.get(one.seq)} />
            ))}
          </tbody>
        </table>
      )}
      {wanted.length > shown.length && (
        <button type="button" class="quiet more" onClick={() => setPages(pages + 1)}>
          {t.show(Math.min(PAGE, wanted.length - shown.length))}
        </button>
      )}
    </Panel>
  );
}

function Row({ of, fault }: { of: AuditEntry; fault: FaultName | undefined }) {
  const ms = (value: number | null | undefined) => (value == null ? t.none : format.ms(value));
  const at = Date.parse(of.at);
  return (
    <tr
      data-testid="failure"
      data-instance={of.instance}
      data-kind={of.reason.kind}
      data-fault={fault ?? ''}
      data-to={of.to}
    >
      <td data-label={t.failures.time}>
        <time dateTime={of.at} title={format.dateTime(at)}>
          {format.when(at, serverNow())}
        </time>
      </td>
      <td data-label={t.failures.instance}>{of.instance}</td>
      <td data-label={t.failures.change}>
        <VerdictMark verdict={of.to} />
        {of.from === of.to && <span class="muted phase-name">{t.glance.phase[of.phase]}</span>}
      </td>
      <td data-label={t.failures.why} class="wide">
        <Evidence reason={of.reason} summary={t.glance.reason[of.reason.kind]} />
      </td>
      <td data-label={t.failures.fault}>
        {fault ? <span class="tag fault">{t.fault[fault]}</span> : t.none}
      </td>
      <td data-label={t.failures.ttd} class="right">
        {ms(of.ttd_ms)}
      </td>
      <td data-label={t.failures.ttr} class="right">
        {ms(of.ttr_ms)}
      </td>
    </tr>
  );
}
