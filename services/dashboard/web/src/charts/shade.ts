// Faults in time charts: the time they were there is shaded and named.
import type uPlot from 'uplot';
import { store } from '../app';
import { t } from '../i18n';
import { attribute, type Span, spans } from '../store/faults';
import type { FaultName } from '../wire';
import { places } from './place';
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

/** What is kept free above the plot area for the names of faults. */
export const BAND_PX = 18;

/** What was there between two instants, seconds; newest first. */
function within(min: number, max: number): Span[] {
  return faultsNow().spans.filter(({ from, to }) => from / 1_000 <= max && (to ?? Infinity) / 1_000 >= min);
}

const nameOf = ({ fault, instance }: Span) => `${t.fault[fault]} ${instance}`;

/** The names of all faults that were there between two instants, seconds; newest first, with how often. */
export function named(min: number, max: number): string {
  const counts = new Map<string, number>();
  for (const span of within(min, max)) counts.set(nameOf(span), (counts.get(nameOf(span)) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${name} (${count} ×)` : name)).join(', ');
}

/** A hook for `drawClear`: shaded below the lines, named above them. Of names that would overlap the newest is kept. */
export function shade(u: uPlot): void {
  const { min, max } = u.scales['x'] ?? {};
  if (min == null || max == null) return;
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const end = bbox.left + bbox.width;
  const all = within(min, max);
  ctx.save();
  ctx.font = `${10.5 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  const names = all.map((span) => {
    const to = Math.min((span.to ?? Infinity) / 1_000, max);
    const left = Math.min(Math.max(u.valToPos(span.from / 1_000, 'x', true), bbox.left), end - 2 * ratio);
    const right = Math.min(Math.max(u.valToPos(to, 'x', true), left + 2 * ratio), end);
    ctx.fillStyle = colour('--fault-fill');
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = colour('--fault-edge');
    ctx.fillRect(left, bbox.top, Math.max(ratio, 1), bbox.height);
    ctx.fillRect(left, bbox.top, right - left, 2 * ratio);
    return { wanted: left, width: ctx.measureText(nameOf(span)).width };
  });
  ctx.fillStyle = colour('--fault-text');
  places(names, bbox.left, end, 8 * ratio).forEach((x, n) => {
    const span = all[n];
    if (x !== null && span) ctx.fillText(nameOf(span), x, bbox.top - (BAND_PX / 2) * ratio);
  });
  ctx.restore();
}
