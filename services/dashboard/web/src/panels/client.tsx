// What clients see: how much, how well, how fast.
import { useRef, useState } from 'preact/hooks';
import { dataNow, store } from '../app';
import { Chart, type Line } from '../charts/chart';
import { format, t } from '../i18n';
import { useSlices } from '../schedule';
import { figures, latency, rate } from '../store/series';
import { CLIENT_SERVICES, type ClientService, WINDOW_S } from '../store/store';
import { Panel } from '../ui/panel';

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

export function Client() {
  const [service, setService] = useState<ClientService>('voter-svc');
  const chosen = useRef(service);
  chosen.current = service;
  const end = () => dataNow('requests') / 1_000;
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
          height={162}
          data={() => rate(store.requests, chosen.current, dataNow('requests'))}
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
          height={192}
          data={() => latency(store.requests, chosen.current, dataNow('requests'))}
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

/** The newest whole second in large, and the success of five minutes. */
function Figures({ service }: { service: ClientService }) {
  useSlices('requests', 'clock', 'sources', 'connection');
  const { row, all, failed } = figures(store.requests[service], dataNow('requests'));
  const ms = (us: number | undefined) => (us === undefined ? t.none : format.ms(us / 1_000));
  const shown = [
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
      {shown.map(({ name, about, text, bad }) => (
        <div key={name} title={`${name}, ${about}`}>
          <dt>{name}</dt>
          <dd class={bad ? 'bad' : ''}>{text}</dd>
        </div>
      ))}
    </dl>
  );
}
