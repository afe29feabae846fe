// Measuring: an experiment is started, watched and read.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type NewExperiment, startExperiment, stopExperiment } from '../api';
import { store } from '../app';
import { format, lang, t } from '../i18n';
import { useSlices } from '../schedule';
import { beginning } from '../text';
import { FewOf } from '../ui/few';
import { attempt } from '../ui/message-state';
import { Panel } from '../ui/panel';
import type { ExperimentState, Folder } from '../wire';

export function Experiments() {
  useSlices('system', 'experiment', 'folders');
  const running = store.experiment?.running ?? false;
  return (
    <Panel id="experiments" title={t.experiments.title}>
      {store.system?.experiments && !running && <Form />}
      {store.experiment && <Progress of={store.experiment} />}
      <Results />
    </Panel>
  );
}

/** The user has started or stopped an experiment and waits to see it. */
let acted = false;

function Form() {
  const scenarios = store.system?.scenarios ?? [];
  const [scenario, setScenario] = useState('classic');
  const [quick, setQuick] = useState(true);
  const [trials, setTrials] = useState('');
  const [seed, setSeed] = useState('');
  const [busy, setBusy] = useState(false);
  const about = scenarios.find((one) => one.name === scenario)?.about;
  const submit = async (event: Event) => {
    event.preventDefault();
    const body: NewExperiment = { scenario, quick };
    if (trials !== '') body.trials = Number(trials);
    if (seed !== '') body.seed = Number(seed);
    if (busy) return;
    setBusy(true);
    acted = true;
    await attempt(t.error.start, () => startExperiment(body));
    setBusy(false);
  };
  return (
    <form class="grid" data-testid="experiment-form" onSubmit={submit}>
      <label class="full">
        {t.experiments.scenario}
        <select
          data-testid="experiment-scenario"
          value={scenario}
          aria-describedby="scenario-about"
          onChange={(e) => setScenario(e.currentTarget.value)}
        >
          {scenarios.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {about && <About key={scenario} text={about} />}
      <label>
        {t.experiments.trials}
        <input
          type="number"
          data-testid="experiment-trials"
          min="1"
          max="1000"
          step="1"
          inputMode="numeric"
          placeholder={t.experiments.trialsHint}
          value={trials}
          onInput={(e) => setTrials(e.currentTarget.value)}
        />
      </label>
      <label>
        {t.experiments.seed}
        <input
          type="number"
          data-testid="experiment-seed"
          min="0"
          max="9007199254740991"
          step="1"
          inputMode="numeric"
          placeholder={t.experiments.seedHint}
          value={seed}
          onInput={(e) => setSeed(e.currentTarget.value)}
        />
      </label>
      <label class="check full">
        <input
          type="checkbox"
          data-testid="experiment-quick"
          checked={quick}
          onChange={(e) => setQuick(e.currentTarget.checked)}
        />
        {t.experiments.quick} <span class="muted">({t.experiments.quickHint})</span>
      </label>
      <div class="full row">
        <button type="submit" class="primary" data-testid="experiment-start" aria-disabled={busy}>
          {t.experiments.start}
        </button>
      </div>
    </form>
  );
}

/** What a scenario is: its first sentence, and the rest for who asks. */
function About({ text }: { text: string }) {
  const [first, rest] = beginning(text);
  return (
    <div class="hint full" lang="en">
      <p id="scenario-about">{first}</p>
      {rest && (
        <details data-testid="scenario-more">
          <summary lang={lang}>{t.experiments.more}</summary>
          <p>{rest}</p>
        </details>
      )}
    </div>
  );
}

function Progress({ of }: { of: ExperimentState }) {
  const [stopping, setStopping] = useState(false);
  const state = useRef<HTMLParagraphElement>(null);
  useLayoutEffect(() => {
    // The button that was pressed is gone now; who used the keyboard goes on here.
    if (acted && document.activeElement === document.body) state.current?.focus();
    acted = false;
    setStopping(false);
  }, [of.running]);
  const stop = async () => {
    if (stopping) return;
    acted = true;
    setStopping(true);
    if (!(await attempt(t.error.stop, stopExperiment))) setStopping(false);
  };
  const left = of.left_s === null ? t.experiments.leftUnknown : t.experiments.left(format.duration(of.left_s));
  const details = [of.scenario, of.seed === null ? '' : `${t.experiments.seed} ${of.seed}`].filter(Boolean);
  return (
    <div class="experiment">
      <div class="row between">
        <p ref={state} tabIndex={-1} data-testid="experiment-state" data-state={of.running ? 'running' : 'ended'} data-step={of.step}>
          <b>{t.experiments.step[of.step]}</b>
          {of.running && of.of > 0 && ` · ${t.experiments.progress(format.int(of.done), format.int(of.of))}`}
          {!of.running && <Outcome of={of} />}
          <small>{details.join(' · ')}</small>
        </p>
        {of.running && store.system?.experiments && (
          <button type="button" data-testid="experiment-stop" aria-disabled={stopping} onClick={() => void stop()}>
            {stopping ? t.experiments.stopping : t.experiments.stop}
          </button>
        )}
      </div>
      {of.running && (
        <>
          <progress
            data-testid="experiment-progress"
            aria-label={t.experiments.step[of.step]}
            max={Math.max(of.of, 1)}
            {...(of.of > 0 ? { value: of.done } : {})}
          />
          <p class="muted">{left}</p>
        </>
      )}
      {of.error && (
        <p class="bad" lang="en">
          {of.error}
        </p>
      )}
      {of.lines.length > 0 && (
        <details open={of.running}>
          <summary>{t.experiments.log}</summary>
          <Log lines={of.lines} />
        </details>
      )}
    </div>
  );
}

/** Stays at the newest line, unless the user has scrolled away from it. */
function Log({ lines }: { lines: string[] }) {
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  const scrolled = ({ currentTarget: at }: { currentTarget: HTMLPreElement }) => {
    follows.current = at.scrollTop + at.clientHeight >= at.scrollHeight - 4;
  };
  return (
    <pre ref={box} class="log scroll" tabIndex={0} lang="en" onScroll={scrolled}>
      {lines.join('\n')}
    </pre>
  );
}

function Outcome({ of }: { of: ExperimentState }) {
  return (
    <>
      {' '}
      <VerdictTag verdict={of.verdict} />
      {of.exit_code !== null && of.exit_code > 1 && (
        <span class="muted"> {t.experiments.exit(String(of.exit_code))}</span>
      )}
    </>
  );
}

function VerdictTag({ verdict, running }: { verdict: 'pass' | 'fail' | null; running?: boolean }) {
  const look = verdict === 'pass' ? 'good' : verdict === 'fail' ? 'bad' : '';
  return <span class={`tag ${look}`}>{t.experiments[verdict ?? (running ? 'running' : 'aborted')]}</span>;
}

const FEW = 6;

function Results() {
  return (
    <div class="with-title">
      <h3>{t.experiments.results}</h3>
      <FewOf
        list={store.folders}
        few={FEW}
        what="folders"
        empty={t.experiments.noResults}
        row={(one) => <FolderRow key={one.name} of={one} />}
      />
    </div>
  );
}

function FolderRow({ of }: { of: Folder }) {
  const started = of.started_at === null ? null : Date.parse(of.started_at);
  const running = of.verdict === null && store.experiment?.running === true && store.experiment.folder === of.name;
  const facts = [
    of.scenario,
    started === null ? null : format.dateTime(started),
    // What its report says until it is over is no duration yet.
    of.duration_s === null || running ? null : format.duration(of.duration_s),
    of.seed === null ? null : `${t.experiments.seed} ${of.seed}`,
    of.report || running ? null : t.experiments.noReport,
  ].filter((fact) => fact !== null);
  return (
    <li data-testid="folder" data-verdict={of.verdict ?? ''} data-running={running}>
      <div>
        {of.report ? (
          <a
            href={`/results/${encodeURIComponent(of.name)}/report.html`}
            target="_blank"
            rel="noopener"
            aria-label={`${t.experiments.report(of.name)} (${t.experiments.newTab})`}
            title={t.experiments.newTab}
          >
            {of.name}
          </a>
        ) : (
          <span>{of.name}</span>
        )}
        <small>{facts.join(' · ')}</small>
      </div>
      <VerdictTag verdict={of.verdict} running={running} />
    </li>
  );
}
