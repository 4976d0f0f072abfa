// Charts as SVG: where values come to stand, ticks, escaped texts, refusals.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axis, tickText } from '../src/plot/axis.ts';
import { barChart } from '../src/plot/bars.ts';
import { lineChart } from '../src/plot/lines.ts';

/** Every tag is closed, in order. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, slash, name, empty] of svg.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)) {
    if (slash) assert.equal(open.pop(), name);
    else if (!empty) open.push(name!);
  }
  assert.deepEqual(open, []);
}

test('ticks surround the values', () => {
  assert.deepEqual(axis([3, 97], 0, 100).ticks, [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(axis([3, 97], 0, 100, { log: true }).ticks, [2, 5, 10, 20, 50, 100]);
  assert.deepEqual(axis([0.5, 20000], 0, 100, { log: true }).ticks, [0.1, 1, 10, 100, 1000, 10000, 100000]);
  assert.deepEqual(axis([7, 7], 0, 100, { fromZero: false }).ticks.length > 1, true);
  assert.deepEqual(axis([1, 1], 0, 100, { log: true }).ticks, [1, 2]);
  assert.equal(axis([-0.3, 0.3], 0, 100).ticks.includes(0), true);
});

test('values lie where the scale says', () => {
  assert.equal(axis([0, 100], 10, 110).at(50), 60);
  assert.equal(axis([1, 100], 0, 100, { log: true }).at(10), 50);
});

test('large ticks are short', () => {
  assert.deepEqual([0, 0.5, 2000, 20000, 3e6, 1e9].map(tickText), ['0', '0.5', '2000', '20k', '3M', '1G']);
});

test('a line chart joins its points and escapes its texts', () => {
  const svg = lineChart(
    [
      {
        name: 'a < b',
        points: [
          [0, 0],
          [50, 10],
          [100, 20],
        ],
      },
    ],
    { title: '"t" & co', x: 'steps', y: 'loss' },
  );
  assertWellFormed(svg);
  assert.ok(svg.includes('a &#60; b') && !svg.includes('a < b'));
  assert.ok(svg.includes('points="64,352 382,208 700,64"'), svg);
  assert.equal(svg.match(/<circle/g)?.length, 3);
});

test('a bar chart begins at its base and leaves out what was not measured', () => {
  const svg = barChart(
    [
      { label: 'prefill', values: [10, null], goal: 5 },
      { label: 'decode', values: [0.1, 1] },
    ],
    { title: 'ratios', x: 'times', series: ['CPU', 'wall'], axis: { log: true }, base: 1, width: 500 },
  );
  assertWellFormed(svg);
  const bars = [...svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="11"/g)].map((m) => [Number(m[1]), Number(m[2])]);
  assert.equal(bars.length, 3);
  const [ten, tenth] = bars as [[number, number], [number, number]];
  assert.ok(Math.abs(tenth[0] + tenth[1] - ten[0]) < 0.2, 'both begin at 1');
  assert.ok(Math.abs(ten[1] - tenth[1]) < 0.2, 'equally long on a logarithmic scale');
});

test('values that cannot be drawn are refused', () => {
  const chart = (points: [number, number][], log: boolean) =>
    lineChart([{ name: 's', points }], { title: 't', x: 'x', y: 'y', yAxis: { log } });
  assert.throws(() => chart([], false), /plot: needs finite numbers/);
  assert.throws(() => chart([[0, Number.NaN]], false), /NaN/);
  assert.throws(() => chart([[0, 0]], true), /above 0/);
});
