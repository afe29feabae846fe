// One time chart: lines, shaded faults, a legend that tells values, and the same in words for those who do not see it.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { useRedraw } from '../app';
import { format, t } from '../i18n';
import { watchSlow } from '../schedule';
import type { Slice } from '../store/store';
import { BAND_PX, named, shade } from './shade';
import { colour, type Look, onTheme } from './theme';

export interface Line {
  label: string;
  look: Look;
  width?: number;
  fill?: string;
  /** How its value reads in the legend and in words. */
  tell: (value: number) => string;
  /** Told, not drawn. */
  hidden?: boolean;
}

export interface ChartProps {
  testid: string;
  /** What the chart shows, in words; with another name it shows something else. */
  name: string;
  slices: Slice[];
  lines: Line[];
  height: number;
  /** Columns: seconds, then one per line. */
  data: () => uPlot.AlignedData;
  /** The newest instant in view, seconds, and how many seconds are in view. */
  end: () => number;
  span: number;
  yRange: (min: number, max: number) => [number, number];
  yText: (value: number) => string;
  log?: boolean;
  /** Y values to draw a line across at. */
  rule?: { at: number; label: string };
  sync?: string;
}

/** The text in words is renewed this often: more would only disturb. */
const WORDS_MS = 5_000;

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const words = useRef({ at: 0, text: '' });
  const latest = useRef(props);
  latest.current = props;
  const redraw = useRedraw();
  const data = plot.current?.data ?? props.data();

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const u = new uPlot(options(latest, element.clientWidth, redraw), latest.current.data(), element);
    plot.current = u;
    const size = new ResizeObserver(() => {
      if (element.clientWidth > 0) u.setSize({ width: element.clientWidth, height: latest.current.height });
    });
    size.observe(element);
    const stopTheme = onTheme(() => u.redraw(true, true));
    return () => {
      stopTheme();
      size.disconnect();
      u.destroy();
      plot.current = null;
    };
    // Lines are part of the plot itself: others are another plot.
  }, [props.lines.map((line) => line.label).join()]);

  const show = () => {
    plot.current?.setData(latest.current.data());
    redraw();
  };
  useLayoutEffect(() => {
    // At once, whether or not anything comes that is to be drawn.
    words.current = { at: 0, text: '' };
    show();
  }, [props.name]);

  useEffect(() => watchSlow(props.slices, show), []);

  const hover = plot.current?.cursor.idx;
  const index = hover ?? lastIndex(data);
  const told = props.lines.map((line, n) => {
    const value = index === null ? null : data[n + 1]?.[index];
    return { line, text: value == null ? t.none : line.tell(value) };
  });
  const now = Date.now();
  if (hover == null && now - words.current.at >= WORDS_MS) {
    const values = told.map(({ line, text }) => `${line.label} ${text}`).join(', ');
    const faults = named(props.end() - props.span, props.end());
    words.current = { at: now, text: t.chart.of(props.name, values) + (faults && t.chart.faults(faults)) };
  }
  const at = hover == null ? null : data[0][hover];

  return (
    <div class="chart" data-testid={props.testid}>
      <ul class="legend" aria-hidden="true">
        {told.map(({ line, text }) => (
          <li key={line.label}>
            {!line.hidden && <Swatch look={line.look} />}
            <span>{line.label}</span>
            <b>{text}</b>
          </li>
        ))}
        <li class="at">{at == null ? '' : format.time(at * 1_000)}</li>
      </ul>
      <div ref={box} class={`plot plot-${props.height}`} role="img" aria-label={words.current.text || props.name} />
    </div>
  );
}

/** A piece of the line as it is in the chart. */
export function Swatch({ look }: { look: Look }) {
  return (
    <svg class="swatch" width="22" height="8" viewBox="0 0 22 8" aria-hidden="true">
      <line
        x1="0"
        y1="4"
        x2="22"
        y2="4"
        stroke={`var(${look.colour})`}
        stroke-width="2.5"
        stroke-dasharray={look.dash.join(' ') || undefined}
      />
    </svg>
  );
}

/** The newest row in which anything is known. */
function lastIndex(data: uPlot.AlignedData): number | null {
  for (let n = data[0].length - 1; n >= 0; n -= 1) {
    if (data.slice(1).some((column) => column[n] != null)) return n;
  }
  return null;
}

function options(latest: { current: ChartProps }, width: number, moved: () => void): uPlot.Options {
  const { lines, height, log, rule, sync } = latest.current;
  const font = '11px system-ui, sans-serif';
  const axis: uPlot.Axis = {
    stroke: () => colour('--muted'),
    font,
    grid: { stroke: () => colour('--grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: Math.max(width, 100),
    height,
    padding: [BAND_PX, 6, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 7 },
      ...(sync ? { sync: { key: sync, setSeries: false } } : {}),
    },
    scales: {
      x: {
        time: true,
        range: () => {
          const end = latest.current.end();
          return [end - latest.current.span, end];
        },
      },
      y: {
        distr: log ? 3 : 1,
        range: (_u, min, max) => latest.current.yRange(min ?? NaN, max ?? NaN),
      },
    },
    axes: [
      {
        ...axis,
        size: 24,
        gap: 4,
        space: 80,
        values: (_u, splits) => {
          const { span, end } = latest.current;
          const text = span > 120 ? format.minute : format.time;
          // A label at the right edge would be cut off.
          return splits.map((s) => (s > end() - span * (span > 120 ? 0.03 : 0.05) ? '' : text(s * 1_000)));
        },
        incrs: [5, 10, 15, 30, 60, 120, 300],
      },
      {
        ...axis,
        size: 52,
        gap: 4,
        space: 26,
        values: (_u, splits) => splits.map((v) => (v == null ? '' : latest.current.yText(v))),
      },
    ],
    series: [
      {},
      ...lines.map((line): uPlot.Series => {
        const series: uPlot.Series = {
          label: line.label,
          stroke: () => colour(line.look.colour),
          width: line.width ?? 1.75,
          show: !line.hidden,
          dash: line.look.dash,
          points: { show: false },
        };
        if (line.fill) series.fill = () => colour(line.fill ?? '');
        return series;
      }),
    ],
    hooks: {
      drawClear: [shade],
      draw: rule ? [(u) => across(u, rule.at, rule.label)] : [],
      setCursor: [moved],
    },
  };
}

/** A line across the chart, named at its left end. */
function across(u: uPlot, at: number, label: string): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const y = u.valToPos(at, 'y', true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = colour('--off');
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${10.5 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'bottom';
  ctx.fillStyle = colour('--off');
  // Lines that cross it leave it readable.
  ctx.setLineDash([]);
  ctx.lineJoin = 'round';
  ctx.lineWidth = 3 * ratio;
  ctx.strokeStyle = colour('--surface');
  ctx.strokeText(label, bbox.left + 4 * ratio, y - 2 * ratio);
  ctx.fillText(label, bbox.left + 4 * ratio, y - 2 * ratio);
  ctx.restore();
}
