import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor, Graph, newCell } from '../src/graph/graph.ts';
import { lastRow } from '../src/graph/ops/lastRow.ts';
import { layerNorm } from '../src/graph/ops/layerNorm.ts';
import { scale } from '../src/graph/ops/scale.ts';
import { siluMul } from '../src/graph/ops/siluMul.ts';
import { plan } from '../src/graph/plan.ts';
import { cost, count, mermaid, printGraph } from '../src/graph/print.ts';
import { maxOf } from '../src/graph/tensor.ts';

const rows = newCell('rows', 8);

function model(): Graph {
  const g = new Graph('tiny');
  const x = g.input('x', 'f32', [rows, 32]);
  g.input('unused', 'i32', [1, 1]);
  const [w, b] = ['weight', 'bias'].map((n) => fixedTensor(n, 'f32', [32]));
  const y = g.section('decoder', () =>
    g.section('layer 0', () => {
      const n = g.add(layerNorm, [x, w!, b!], { eps: 1e-5 });
      g.add(scale, [n], { factor: 3 });
      return g.add(siluMul, [columns(n, 0, 16), columns(n, 16, 16)], {});
    }),
  );
  g.output(
    'logits',
    g.section('head', () => g.add(lastRow, [g.add(scale, [y], { factor: 1 / 3 })], {})),
  );
  return g;
}

test('printGraph: a line for each node of a graph', () => {
  const lines = printGraph(model()).split('\n');
  assert.match(lines[0]!, /^tiny: 5 ops, [\d.]+ kMAC, [\d.]+ kB$/);
  assert.match(lines[1]!, /input +x f32\[rows≤8, 32\]$/);
  assert.match(
    lines[3]!,
    /^decoder\/layer 0 +layerNorm0 +layerNorm\(x, weight, bias\) +\{eps: 0\.00001\} +f32\[rows≤8, 32\] +1\.02 kMAC +2\.05 kB$/,
  );
  assert.match(lines[5]!, /siluMul\(layerNorm0\[:, 0:16\], layerNorm0\[:, 16:32\]\) +f32\[rows≤8, 16\]/);
  assert.match(lines[6]!, /^head +scale3 .*\{factor: 0\.333333\}/);
  assert.match(lines.at(-1)!, /output logits +lastRow4 +lastRow4 f32\[1, 16\]$/);
  assert.equal(lines.length, 1 + 2 + 5 + 1);
});

test('printGraph: of a plan, without the dead, with places and cells as they stand', () => {
  const text = printGraph(plan(model()), (d) => (d === rows ? 2 : maxOf(d)));
  assert.match(text, /^tiny: 4 ops, .*, arena [\d.]+ k?B, 2 fixed tensors\n/);
  assert.match(text, /layerNorm0 .* f32\[rows≤8, 32\] @\d+ +256 MAC +512 B\n/);
  assert.doesNotMatch(text, /scale1/);
});

test('cost: in all, by section and by op', () => {
  const report = cost(model(), (d) => (d === rows ? 3 : maxOf(d)));
  assert.deepEqual([...report.sections.keys()], ['decoder/layer 0', 'head']);
  assert.equal(report.ops.get('scale')!.count, 2);
  assert.equal(report.ops.get('scale')!.macs, 3 * 32 + 3 * 16);
  const sum = [...report.sections.values()].reduce((s, c) => s + c.macs, 0);
  assert.equal(sum, report.macs);
  assert.equal(
    [...report.ops.values()].reduce((s, c) => s + c.bytes, 0),
    report.bytes,
  );
});

test('mermaid: a box per section, edges between them', () => {
  const lines = mermaid(model()).split('\n');
  assert.deepEqual(lines, [
    'flowchart TD',
    '  s0["<b>decoder/layer 0</b><br/>layerNorm, scale, siluMul<br/>5.38 kFLOP"]',
    '  s1["<b>head</b><br/>scale, lastRow<br/>256 FLOP"]',
    '  i0(["x f32[rows≤8, 32]"])',
    '  o0(["logits: lastRow4 f32[1, 16]"])',
    '  i0 --> s0',
    '  s0 --> s1',
    '  s1 --> o0',
  ]);
});

test('count', () => {
  assert.deepEqual(
    [0, 999, 1000, 1234567, 2.5e9, 3e12].map((n) => count(n, 'B')),
    ['0 B', '999 B', '1 kB', '1.23 MB', '2.5 GB', '3 TB'],
  );
});
