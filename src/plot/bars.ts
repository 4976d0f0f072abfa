// A chart of horizontal bars: a row per case, in it a bar per series.

import { type AxisOptions, axis, tickText } from './axis.ts';
import { colorOf, legend, line, rect, svg, text, textWidth } from './svg.ts';

export interface BarRow {
  readonly label: string;
  /** One per series; null: not measured. */
  readonly values: readonly (number | null)[];
  /** A goal, drawn as a stroke across the row. */
  readonly goal?: number;
}

export interface BarChartOptions {
  readonly title: string;
  /** What stands below the axis, with its unit. */
  readonly x: string;
  readonly series: readonly string[];
  readonly axis?: AxisOptions;
  /** A value to be told apart, such as 1 for ratios: a dark line down the chart, where logarithmic bars begin. */
  readonly base?: number;
  /** Text after a bar; default the number in three digits. */
  format?(value: number): string;
  /** Pixels; default 820. */
  readonly width?: number;
}

const BAR = 13;
const GAP = 9;

/** An SVG file, as high as its rows need. Throws InputError without values. */
export function barChart(rows: readonly BarRow[], o: BarChartOptions): string {
  const { width = 820, base = 0, format = (v) => String(Number(v.toPrecision(3))) } = o;
  const left = 24 + Math.max(...rows.map((r) => textWidth(r.label)));
  const right = width - 64;
  const top = 60;
  const rowHeight = o.series.length * BAR + GAP;
  const bottom = top + rows.length * rowHeight;
  const values = rows.flatMap((r) => [...r.values.filter((v) => v !== null), ...(r.goal === undefined ? [] : [r.goal])]);
  const { at, ticks } = axis([...values, ...(base > 0 ? [base] : [])], left, right, o.axis);
  const start = o.axis?.log && base <= 0 ? left : at(base);

  const parts = rows.flatMap((r, i) => {
    const y = top + i * rowHeight + GAP / 2;
    const middle = y + (o.series.length * BAR) / 2;
    const goal = r.goal === undefined ? [] : [line(at(r.goal), y - 3, at(r.goal), y + o.series.length * BAR + 3, '#111', '2 2')];
    const bars = r.values.flatMap((v, s) => {
      const barY = y + s * BAR;
      if (v === null) return [];
      const end = at(v);
      return [
        rect(Math.min(start, end), barY + 1, Math.max(1, Math.abs(end - start)), BAR - 2, colorOf(s)),
        text(Math.max(start, end) + 5, barY + BAR - 3, format(v), { size: 11 }),
      ];
    });
    return [text(left - 8, middle + 4, r.label, { anchor: 'end' }), ...bars, ...goal];
  });
  const grid = [
    ...ticks.flatMap((t) => [line(at(t), top, at(t), bottom), text(at(t), bottom + 16, tickText(t), { anchor: 'middle' })]),
    line(start, top, start, bottom, '#555'),
    text((left + right) / 2, bottom + 36, o.x, { anchor: 'middle' }),
  ];
  return svg(width, bottom + 48, o.title, [...legend(o.series, 16, 46), ...grid, ...parts]);
}
