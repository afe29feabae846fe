// Faults in time charts: the time they were there is shaded and named.
import type uPlot from 'uplot';
import { store } from '../app';
import { t } from '../i18n';
import { attribute, type Span, spans } from '../store/faults';
import type { FaultName } from '../wire';
import { colour } from './theme';

let known: { faults: unknown; failures: unknown; spans: Span[]; of: Map<number, FaultName> } | null = null;

/** When the faults were there, and which one each verdict belongs to; computed anew only when something changed. */
export function faultsNow(): { spans: Span[]; of: Map<number, FaultName> } {
  if (known?.faults !== store.faults || known.failures !== store.failures) {
    const all = spans(store.faults, store.failures);
    const of = attribute(store.failures, all);
    known = { faults: store.faults, failures: store.failures, spans: all, of };
  }
  return known;
}

const LANES = 3;
const LANE_PX = 14;

/** A hook for `drawClear`: below the lines. */
export function shade(u: uPlot): void {
  const { min, max } = u.scales['x'] ?? {};
  if (min == null || max == null) return;
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const ends = new Array<number>(LANES).fill(-Infinity);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${10.5 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'top';
  // Oldest first, so that labels take their lanes from left to right.
  for (const span of [...faultsNow().spans].reverse()) {
    const from = span.from / 1_000;
    const to = Math.min((span.to ?? Infinity) / 1_000, max);
    if (to < min || from > max) continue;
    const left = Math.max(u.valToPos(from, 'x', true), bbox.left);
    const right = Math.max(u.valToPos(to, 'x', true), left + 2 * ratio);
    ctx.fillStyle = colour('--fault-fill');
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = colour('--fault-edge');
    ctx.fillRect(left, bbox.top, Math.max(ratio, 1), bbox.height);
    ctx.fillRect(left, bbox.top, right - left, 2 * ratio);
    const label = `${t.fault[span.fault]} ${span.instance}`;
    const width = ctx.measureText(label).width;
    // A fault that has just begun is named to the left of the edge.
    const x = Math.min(left + 4 * ratio, bbox.left + bbox.width - width - 2 * ratio);
    const lane = ends.findIndex((end) => end < x);
    if (lane < 0) continue;
    ends[lane] = x + width + 4 * ratio;
    ctx.fillStyle = colour('--fault-text');
    ctx.fillText(label, x, bbox.top + (4 + lane * LANE_PX) * ratio);
  }
  ctx.restore();
}
