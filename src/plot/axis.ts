// Numbers to pixels, and where the ticks stand.

import { InputError } from '../errors.ts';

export interface Axis {
  /** Pixel of a value. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

export interface AxisOptions {
  /** Logarithmic: all values above 0. Default linear. */
  readonly log?: boolean;
  /** Linear axes begin at 0 unless told otherwise. */
  readonly fromZero?: boolean;
}

/** An axis over all `values`, from pixel `from` to pixel `to`. Its ends are ticks. */
export function axis(values: readonly number[], from: number, to: number, { log = false, fromZero = true }: AxisOptions = {}): Axis {
  if (!values.length || values.some((v) => !Number.isFinite(v) || (log && v <= 0))) {
    throw new InputError(`plot: needs finite numbers${log ? ' above 0' : ''}: got ${values.slice(0, 8).join(', ')}`);
  }
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const ticks = log ? logTicks(low, high) : linearTicks(fromZero ? Math.min(0, low) : low, high);
  const f = log ? Math.log : (x: number) => x;
  const [first, last] = [f(ticks[0]!), f(ticks.at(-1)!)];
  return { at: (v) => from + ((f(v) - first) / (last - first)) * (to - from), ticks };
}

/** About five steps of 1, 2 or 5 times a power of ten, around both ends. */
function linearTicks(low: number, high: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 5));
  const step = power * [1, 2, 5, 10].find((f) => f * power >= span / 5)!;
  const [first, last] = [Math.floor(low / step), Math.ceil((low + span) / step)];
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** 1, 2 and 5 times powers of ten; powers alone where there would be many. */
function logTicks(low: number, high: number): number[] {
  const decades = Math.log10(high / low);
  const factors = decades > 3 ? [1] : [1, 2, 5];
  const all: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) all.push(...factors.map((f) => Number(`${f}e${e}`)));
  const first = all.findLastIndex((t) => t <= low);
  const last = all.findIndex((t) => t >= high && t > low);
  return all.slice(Math.max(first, 0), last + 1);
}

/** A tick as people write it: 20000 as 20k. */
export function tickText(v: number): string {
  const size = Math.abs(v);
  for (const [unit, sign] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const) {
    if (size >= unit) return `${Number((v / (sign === 'k' ? 1e3 : unit)).toPrecision(4))}${sign}`;
  }
  return String(Number(v.toPrecision(6)));
}
