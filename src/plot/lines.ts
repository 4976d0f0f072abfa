// A chart of lines: loss over steps, tokens per second over context, accuracy over the number of tokens.

import { type AxisOptions, axis, tickText } from './axis.ts';
import { colorOf, legend, line, px, svg, text } from './svg.ts';

export interface Series {
  readonly name: string;
  /** x and y, in the order in which they are joined. */
  readonly points: readonly (readonly [number, number])[];
  /** Draw each point as a dot too; default: where there are at most 40. */
  readonly dots?: boolean;
}

export interface LineChartOptions {
  readonly title: string;
  /** What stands at the axes, with units. */
  readonly x: string;
  readonly y: string;
  readonly xAxis?: AxisOptions;
  readonly yAxis?: AxisOptions;
  /** Pixels; default 720 x 400. */
  readonly width?: number;
  readonly height?: number;
}

/** An SVG file. Throws InputError without points, or where a logarithmic axis gets values that are not above 0. */
export function lineChart(series: readonly Series[], { title, x, y, xAxis, yAxis, width = 720, height = 400 }: LineChartOptions): string {
  const [left, right, top, bottom] = [64, width - 20, 64, height - 48];
  const points = series.flatMap((s) => s.points);
  const horizontal = axis(
    points.map((p) => p[0]),
    left,
    right,
    { fromZero: false, ...xAxis },
  );
  const vertical = axis(
    points.map((p) => p[1]),
    bottom,
    top,
    yAxis,
  );
  const grid = [
    ...vertical.ticks.flatMap((t) => [
      line(left, vertical.at(t), right, vertical.at(t)),
      text(left - 8, vertical.at(t) + 4, tickText(t), { anchor: 'end' }),
    ]),
    ...horizontal.ticks.flatMap((t) => [
      line(horizontal.at(t), bottom, horizontal.at(t), bottom + 5, '#888'),
      text(horizontal.at(t), bottom + 19, tickText(t), { anchor: 'middle' }),
    ]),
    line(left, bottom, right, bottom, '#888'),
    text((left + right) / 2, height - 10, x, { anchor: 'middle' }),
    text(16, (top + bottom) / 2, y, { anchor: 'middle', rotate: -90 }),
  ];
  const drawn = series.flatMap(({ points, dots = points.length <= 40 }, i) => {
    const at = points.map(([a, b]) => [px(horizontal.at(a)), px(vertical.at(b))] as const);
    return [
      `<polyline points="${at.map((p) => p.join(',')).join(' ')}" fill="none" stroke="${colorOf(i)}" stroke-width="1.8"/>`,
      ...(dots ? at.map(([a, b]) => `<circle cx="${a}" cy="${b}" r="3" fill="${colorOf(i)}"/>`) : []),
    ];
  });
  const names = series.map((s) => s.name);
  return svg(width, height, title, [...legend(names, 16, 46), ...grid, ...drawn]);
}
