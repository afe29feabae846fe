// What clients see: how much, how well, how fast.
import { useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { serverNow, staleSince, store } from '../app';
import { Chart, type Line } from '../charts/chart';
import { format, t } from '../i18n';
import { useSlices } from '../schedule';
import { CLIENT_SERVICES, type ClientService, WINDOW_S } from '../store/store';
import { Panel } from '../ui/panel';
import type { RequestsSecond } from '../wire';

const count = (n: number) => t.client.perSecond(format.int(n));
const RATE: Line[] = [
  { label: t.client.requests, look: { colour: '--series-1', dash: [] }, fill: '--series-1-fill', tell: count },
  { label: t.client.failed, look: { colour: '--off', dash: [7, 3] }, width: 2, tell: count },
];
const LATENCY: Line[] = [
  { label: 'p50', look: { colour: '--series-1', dash: [] }, width: 2, tell: format.ms },
  { label: 'p95', look: { colour: '--series-2', dash: [7, 3] }, tell: format.ms },
  { label: 'p99', look: { colour: '--series-4', dash: [2, 2.5] }, tell: format.ms },
];
/**
 * Rows of the last seconds may still grow; they are shown when they are whole. A process tells of a second up to a second
 * after its end, the monitor gathers for half a second more: with less, the newest second would dip to 0 until it comes.
 */
const SETTLE_S = 3;

export function Client() {
  const [service, setService] = useState<ClientService>('voter-svc');
  const chosen = useRef(service);
  chosen.current = service;
  const end = () => (staleSince('monitor-svc') ?? serverNow()) / 1_000;
  return (
    <Panel
      id="client"
      title={t.client.title}
      from="monitor-svc"
      aside={
        <label class="inline">
          <span class="unseen">{t.client.service}</span>
          <select
            data-testid="client-service"
            value={service}
            onChange={(event) => {
              setService(event.currentTarget.value as ClientService);
            }}
          >
            {CLIENT_SERVICES.map((name) => (
              <option key={name} value={name}>
                {t.client.services[name]}
              </option>
            ))}
          </select>
        </label>
      }
    >
      <Figures service={service} />
      <div class="with-title">
        <h3>{t.client.rateChart}</h3>
        <Chart
          testid="client-chart-rate"
          name={`${t.client.rateChart}, ${service}`}
          slices={['requests', 'faults', 'connection', 'sources', 'clock']}
          lines={RATE}
          height={150}
          data={() => rate(chosen.current)}
          end={end}
          span={WINDOW_S}
          yRange={(_min, max) => [0, Math.max(10, (max || 0) * 1.25)]}
          yText={(value) => format.int(value)}
          sync="5min"
        />
      </div>
      <div class="with-title">
        <h3>{t.client.latencyChart}</h3>
        <Chart
          testid="client-chart-latency"
          name={`${t.client.latencyChart}, ${service}`}
          slices={['requests', 'faults', 'connection', 'sources', 'clock']}
          lines={LATENCY}
          height={180}
          data={() => latency(chosen.current)}
          end={end}
          span={WINDOW_S}
          log
          yRange={decades}
          yText={(ms) => (ms >= 1_000 ? `${format.int(ms / 1_000)} s` : `${format.number(ms, 2)} ms`)}
          sync="5min"
        />
      </div>
    </Panel>
  );
}

/** Whole powers of ten around what there is. */
function decades(min: number, max: number): [number, number] {
  if (!(min > 0) || !(max > 0)) return [0.1, 100];
  const low = Math.floor(Math.log10(min));
  return [10 ** low, 10 ** Math.max(low + 2, Math.ceil(Math.log10(max)))];
}

function seconds(): number[] {
  const last = Math.floor((staleSince('monitor-svc') ?? serverNow()) / 1_000) - SETTLE_S;
  return Array.from({ length: WINDOW_S }, (_, n) => last - WINDOW_S + 1 + n);
}

function rate(service: ClientService): uPlot.AlignedData {
  const all = seconds();
  // A second of which nothing is known of any service is no second without requests.
  const value = (second: number, of: (row: RequestsSecond) => number) => {
    const row = store.requests[service].at(second);
    if (row) return of(row);
    return CLIENT_SERVICES.some((name) => store.requests[name].at(second)) ? 0 : null;
  };
  return [all, all.map((s) => value(s, (row) => row.count)), all.map((s) => value(s, (row) => row.failed))];
}

function latency(service: ClientService): uPlot.AlignedData {
  const all = seconds();
  const rows = all.map((second) => store.requests[service].at(second));
  const column = (of: (row: RequestsSecond) => number) =>
    rows.map((row) => (row && row.count > 0 ? Math.max(of(row), 1) / 1_000 : null));
  return [all, column((row) => row.p50_us), column((row) => row.p95_us), column((row) => row.p99_us)];
}

/** The newest whole second in large, and the success of five minutes. */
function Figures({ service }: { service: ClientService }) {
  useSlices('requests', 'clock');
  const rows = store.requests[service].toArray();
  let all = 0;
  let failed = 0;
  for (const row of rows) {
    all += row.count;
    failed += row.failed;
  }
  const last = Math.floor((staleSince('monitor-svc') ?? serverNow()) / 1_000) - SETTLE_S;
  const row = rows.findLast((one) => one.second <= last && one.second > last - 5);
  const ms = (us: number | undefined) => (us === undefined ? t.none : format.ms(us / 1_000));
  const figures = [
    { name: t.client.rate, about: t.client.last, text: row ? t.client.perSecond(format.int(row.count)) : t.none },
    {
      name: t.client.success,
      about: t.client.fiveMinutes,
      text: all > 0 ? format.percent((all - failed) / all) : t.none,
      bad: failed > 0,
    },
    { name: 'p50', about: t.client.last, text: ms(row?.p50_us) },
    { name: 'p95', about: t.client.last, text: ms(row?.p95_us) },
    { name: 'p99', about: t.client.last, text: ms(row?.p99_us) },
  ];
  return (
    <dl class="figures">
      {figures.map(({ name, about, text, bad }) => (
        <div key={name} title={`${name}, ${about}`}>
          <dt>{name}</dt>
          <dd class={bad ? 'bad' : ''}>{text}</dd>
        </div>
      ))}
    </dl>
  );
}
