// How votes end, and what replicas said where they did not say the same.
import { dataNow, serverNow, store } from '../app';
import { Chart, type Line, Swatch } from '../charts/chart';
import { instanceLook } from '../charts/theme';
import { format, t } from '../i18n';
import { usePaced } from '../schedule';
import { kindOf } from '../store/disagreements';
import { votes } from '../store/series';
import { WINDOW_S } from '../store/store';
import { FewOf } from '../ui/few';
import { Panel } from '../ui/panel';
import type { Disagreement, Stock, Voice, VotesSecond } from '../wire';

const VALUES: ((row: VotesSecond) => number)[] = [
  (row) => row.agreed,
  (row) => row.dissenting,
  (row) => row.stale,
  (row) => row.missing,
  (row) => row.no_quorum,
  (row) => row.clients + row.scrubs,
];
const tell = (n: number) => format.int(n);
const LINES: Line[] = [
  { label: t.votes.agreed, look: { colour: '--agreed', dash: [] }, fill: '--agreed-fill', tell },
  { label: t.votes.dissenting, look: { colour: '--off', dash: [7, 3] }, width: 2, tell },
  { label: t.votes.stale, look: { colour: '--series-2', dash: [2, 2.5] }, width: 2, tell },
  { label: t.votes.missing, look: { colour: '--series-1', dash: [9, 3, 2, 3] }, tell },
  { label: t.votes.noQuorum, look: { colour: '--series-4', dash: [4, 2] }, width: 2.5, tell },
  { label: t.votes.total, look: { colour: '--muted', dash: [] }, hidden: true, tell },
];
/** The list moves under the reader at most this often. */
const REORDER_MS = 1_000;

export function Votes() {
  return (
    <Panel id="votes" title={t.votes.title} from="voter-svc" aside={<span>{t.client.fiveMinutes}</span>}>
      <Chart
        testid="votes-chart"
        name={`${t.votes.title}, ${t.client.fiveMinutes}`}
        slices={['votes', 'faults', 'connection', 'sources', 'clock']}
        lines={LINES}
        height={192}
        data={() => votes(store.votes, VALUES, dataNow('votes'))}
        end={() => dataNow('votes') / 1_000}
        span={WINDOW_S}
        yRange={(_min, max) => [0, Math.max(10, (max || 0) * 1.25)]}
        yText={(value) => format.int(value)}
        sync="5min"
      />
      <Disagreements />
    </Panel>
  );
}

const FEW = 3;

function Disagreements() {
  usePaced(REORDER_MS, 'disagreements');
  return (
    <div class="with-title">
      <h3>{t.disagreements.title}</h3>
      <FewOf
        list={store.disagreements}
        few={FEW}
        what="disagreements"
        empty={t.disagreements.empty}
        row={(one) => <Item key={`${one.id} ${one.first}`} of={one} />}
      />
    </div>
  );
}

function Item({ of }: { of: Disagreement }) {
  const kind = kindOf(of);
  const last = Date.parse(of.last);
  const against = of.voices.filter((voice) => voice.standing === 'dissents').map((voice) => voice.instance);
  return (
    <li class={`disagreement ${kind}`} data-testid="disagreement" data-kind={kind}>
      <div class="head">
        <span class={`tag ${kind === 'stale' ? 'warn' : 'bad'}`}>{t.disagreements.kind[kind]}</span>
        <b>{of.product ?? t.disagreements.allProducts}</b>
        {of.count > 1 && <span class="muted">{t.disagreements.times(format.int(of.count))}</span>}
        <time dateTime={of.last} title={format.dateTime(last)}>
          {format.when(last, serverNow())}
        </time>
      </div>
      <p class="decision">
        {kind === 'no_quorum' ? (
          <b>{of.product === null ? t.disagreements.notAll : t.disagreements.undecided}</b>
        ) : (
          <Decided of={of} />
        )}
        {against.length > 0 && (
          <span class="against">{t.disagreements.contradicts(against.join(', '), against.length === 1)}</span>
        )}
      </p>
      <ul class={of.product === null ? 'voices brief' : 'voices'}>
        {of.voices.map((voice) => (
          <li key={voice.instance} class={voice.standing}>
            <span class="who">
              <Swatch look={instanceLook(voice.instance)} /> {voice.instance}{' '}
            </span>
            {of.product !== null && <span class="said">{said(voice)}</span>}
            <span class="standing">{of.product === null ? stands(voice) : t.disagreements.standing[voice.standing]}</span>
          </li>
        ))}
      </ul>
    </li>
  );
}

function Decided({ of: { product, version, stock } }: { of: Disagreement }) {
  if (product === null) return <b>{t.disagreements.allDecided}</b>;
  const what = version === null || stock === null ? t.disagreements.decidedNothing : stated({ version, ...stock });
  return (
    <span>
      {t.disagreements.decided}: <b>{what}</b>
    </span>
  );
}

function stated({ version, available, reserved }: Stock & { version: number }): string {
  const stock = t.disagreements.stock(format.int(available), format.int(reserved));
  return `${stock} · ${t.disagreements.version(format.int(version))}`;
}

function said({ newest, answer }: Voice): string {
  if (newest) return stated(newest);
  return answer === 'ok' ? t.disagreements.nothing : unanswered(answer);
}

/** Of all products at once no stock is told. Why there was no answer says more than that there was none. */
function stands({ answer, standing }: Voice): string {
  return answer === 'ok' ? t.disagreements.standing[standing] : unanswered(answer);
}

function unanswered(answer: string): string {
  const known: Partial<Record<string, string>> = t.disagreements.answer;
  return known[answer] ?? answer;
}
