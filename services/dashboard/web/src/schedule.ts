// When to draw: changes are gathered and drawn once per frame, charts five times a second at most, and nothing while
// the tab is hidden.
import { useEffect, useLayoutEffect, useReducer } from 'preact/hooks';
import { paced } from './pace';
import type { Slice } from './store/store';

const CHART_MS = 200;

type Listener = { slices: readonly Slice[]; slow: boolean; draw: () => void };

const listeners = new Set<Listener>();
const dirty = new Set<Slice>();
/** Dirty parts that charts have yet to draw. */
const dirtySlow = new Set<Slice>();
let frame: number | null = null;
let timer: ReturnType<typeof setTimeout> | null = null;
let lastSlow = 0;

export function changed(slice: Slice): void {
  dirty.add(slice);
  dirtySlow.add(slice);
  ask();
}

function ask(): void {
  if (frame !== null || document.hidden) return;
  frame = requestAnimationFrame(flush);
}

function flush(): void {
  frame = null;
  if (document.hidden) return;
  const now = performance.now();
  const slow = now - lastSlow >= CHART_MS;
  const due = [...listeners].filter((one) => {
    const set = one.slow ? dirtySlow : dirty;
    return (slow || !one.slow) && one.slices.some((slice) => set.has(slice));
  });
  dirty.clear();
  if (slow) {
    dirtySlow.clear();
    lastSlow = now;
  } else if ([...listeners].some((one) => one.slow && one.slices.some((slice) => dirtySlow.has(slice)))) {
    timer ??= setTimeout(
      () => {
        timer = null;
        ask();
      },
      CHART_MS - (now - lastSlow),
    );
  }
  for (const one of due) one.draw();
}

document.addEventListener('visibilitychange', ask);

/** Draws the component again when one of these parts of the state has changed. */
export function useSlices(...slices: Slice[]): void {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useLayoutEffect(() => watch(slices, false, () => draw(undefined)), []);
}

/** As `useSlices`, but at most once in `ms`: for what would move under the reader. */
export function usePaced(ms: number, ...slices: Slice[]): void {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useLayoutEffect(() => {
    const pace = paced(ms, () => draw(undefined));
    const stop = watch(slices, false, pace.ask);
    return () => {
      stop();
      pace.stop();
    };
  }, []);
}

/** Calls `draw` when one of these parts has changed, at a chart's pace. Returns how to stop it. */
export function watchSlow(slices: readonly Slice[], draw: () => void): () => void {
  return watch(slices, true, draw);
}

function watch(slices: readonly Slice[], slow: boolean, draw: () => void): () => void {
  const listener = { slices, slow, draw };
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Draws the component again once a second, for relative times. */
export function useSecond(): void {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) draw(undefined);
    }, 1_000);
    return () => clearInterval(timer);
  }, []);
}
