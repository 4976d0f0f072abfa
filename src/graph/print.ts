// Graphs as text, as a drawing, and as costs.

import { Graph } from './graph.ts';
import type { Cost, SizeOf } from './op.ts';
import type { Plan } from './plan.ts';
import { maxOf, show, type Tensor } from './tensor.ts';

/** Multiply-adds and bytes of a graph or a plan, in all, by section and by op. */
export interface CostReport extends Cost {
  readonly sections: ReadonlyMap<string, Cost>;
  readonly ops: ReadonlyMap<string, Cost & { readonly count: number }>;
}

/** `size` gives the value of a dimension; by default cells count at their upper bounds. */
export function cost(of: Graph | Plan, size: SizeOf = maxOf): CostReport {
  const total = { macs: 0, bytes: 0 };
  const sections = new Map<string, { macs: number; bytes: number }>();
  const ops = new Map<string, { macs: number; bytes: number; count: number }>();
  for (const n of of.nodes) {
    const c = n.cost(size);
    const section = entry(sections, n.section, () => ({ macs: 0, bytes: 0 }));
    const op = entry(ops, n.op.name, () => ({ macs: 0, bytes: 0, count: 0 }));
    op.count++;
    for (const sum of [total, section, op]) {
      sum.macs += c.macs;
      sum.bytes += c.bytes;
    }
  }
  return { ...total, sections, ops };
}

/** One line per node: section, name, inputs and parameters, result, multiply-adds, bytes. Costs are at the upper bounds of cells. */
export function printGraph(of: Graph | Plan, size: SizeOf = maxOf): string {
  const graph = of instanceof Graph ? of : of.graph;
  const total = cost(of, size);
  const place = (t: Tensor): string => (of instanceof Graph || t.storage.kind === 'fixed' ? '' : ` @${of.offsets.get(t.storage) ?? '-'}`);
  const lines = [...graph.inputs.values()].map((t) => ['', 'input', '', '', show(t) + place(t), '', '']);
  for (const n of of.nodes) {
    const c = n.cost(size);
    const inputs = n.inputs.map((t) => t.name).join(', ');
    const result = n.outputs.map((t) => `${t.dtype}${show(t).slice(show(t).indexOf('['))}${place(t)}`).join(', ');
    lines.push([n.section, n.name, `${n.op.name}(${inputs})`, parameters(n.params), result, count(c.macs, 'MAC'), count(c.bytes, 'B')]);
  }
  for (const [name, t] of graph.outputs) lines.push(['', `output ${name}`, t.name, '', show(t), '', '']);
  const arena = of instanceof Graph ? '' : `, arena ${count(of.arenaBytes, 'B')}, ${of.fixed.size} fixed tensors`;
  const head = `${graph.name}: ${of.nodes.length} ops, ${count(total.macs, 'MAC')}, ${count(total.bytes, 'B')}${arena}`;
  return [head, ...align(lines)].join('\n');
}

/** A Mermaid flowchart: a box per section with its ops and FLOPs, an edge where a section reads what another made. */
export function mermaid(of: Graph | Plan, size: SizeOf = maxOf): string {
  const graph = of instanceof Graph ? of : of.graph;
  const { sections } = cost(of, size);
  const ids = new Map([...sections.keys()].map((name, i) => [name, `s${i}`]));
  const lines = ['flowchart TD'];
  for (const [name, c] of sections) {
    const ops = new Map<string, number>();
    for (const n of of.nodes) if (n.section === name) ops.set(n.op.name, (ops.get(n.op.name) ?? 0) + 1);
    const list = [...ops].map(([op, n]) => (n === 1 ? op : `${n} ${op}`)).join(', ');
    lines.push(`  ${ids.get(name)}["<b>${text(name || graph.name)}</b><br/>${text(list)}<br/>${count(2 * c.macs, 'FLOP')}"]`);
  }
  const used = new Set(of.nodes.flatMap((n) => n.inputs.map((t) => t.storage)));
  const inputs = [...graph.inputs.values()].filter((t) => used.has(t.storage));
  inputs.forEach((t, i) => {
    lines.push(`  i${i}(["${text(show(t))}"])`);
  });
  const outputs = [...graph.outputs];
  outputs.forEach(([name, t], i) => {
    lines.push(`  o${i}(["${text(`${name}: ${show(t)}`)}"])`);
  });

  const makers = new Map(inputs.map((t, i) => [t.storage, `i${i}`]));
  const edges = new Set<string>();
  const edge = (t: Tensor, to: string): void => {
    const from = makers.get(t.storage);
    if (from && from !== to) edges.add(`  ${from} --> ${to}`);
  };
  for (const n of of.nodes) {
    const id = ids.get(n.section)!;
    for (const t of n.inputs) edge(t, id);
    for (const t of n.outputs) makers.set(t.storage, id);
  }
  outputs.forEach(([, t], i) => {
    edge(t, `o${i}`);
  });
  return [...lines, ...edges].join('\n');
}

/** `1.5 GMAC`, `512 B`. */
export function count(n: number, unit: string): string {
  const [factor, prefix] = n >= 1e12 ? [1e12, 'T'] : n >= 1e9 ? [1e9, 'G'] : n >= 1e6 ? [1e6, 'M'] : n >= 1e3 ? [1e3, 'k'] : [1, ''];
  return `${factor === 1 ? Math.round(n) : Number((n / factor).toPrecision(3))} ${prefix}${unit}`;
}

function parameters(params: unknown): string {
  const fields = Object.entries(params as object).filter(([, v]) => v !== undefined);
  return fields.length ? `{${fields.map(([k, v]) => `${k}: ${value(v)}`).join(', ')}}` : '';
}

/** Cells by name and bound, tensors by name, numbers with 6 digits. */
function value(v: unknown): string {
  if (typeof v === 'number') return String(Number(v.toPrecision(6)));
  if (typeof v !== 'object' || v === null) return String(v);
  if ('max' in v && 'name' in v) return `${v.name}≤${v.max}`;
  if ('name' in v) return String(v.name);
  if (Array.isArray(v)) return `[${v.length > 4 ? `${v.length} values` : v.map(value).join(', ')}]`;
  return ArrayBuffer.isView(v) ? `[${v.byteLength} bytes]` : parameters(v);
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let v = map.get(key);
  if (v === undefined) {
    v = make();
    map.set(key, v);
  }
  return v;
}

/** Columns of equal width, two spaces apart; the last two are numbers. */
function align(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((l) => l[i]!.length)));
  return lines.map((l) =>
    l
      .map((c, i) => (i < l.length - 2 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

const text = (s: string): string => s.replace(/"/g, '#quot;').replace(/</g, '#lt;').replace(/>/g, '#gt;');
