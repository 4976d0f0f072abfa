// Stages: a plan cut at borders of its graph, for models whose weights and caches pass what one memory holds. Each stage is a plan over a
// memory of its own; before it runs, what earlier stages made and it reads is copied in.

import type { Node } from './graph.ts';
import type { SizeOf } from './op.ts';
import { lay, type Plan } from './plan.ts';
import { byteSize, colsOf, fullBytes, type Storage, type Tensor } from './tensor.ts';

/** An intermediate that a stage reads and an earlier one has. */
export interface Crossing {
  readonly storage: Storage;
  /** The last stage before that has it. */
  readonly from: number;
  /** Bytes that hold something, with the cells as they stand. */
  bytes(size: SizeOf): number;
}

export interface Stage {
  readonly plan: Plan;
  readonly crossings: readonly Crossing[];
}

/**
 * Names the borders to cut at, so that no stage has more bytes of weights and caches than `room(stage)`. What lies between two borders
 * is never cut: if it is larger, it is a stage alone.
 */
export function chooseCuts(p: Plan, room: (stage: number) => number): Set<string> {
  const segments: Set<Storage>[] = Array.from({ length: p.graph.borders.length + 1 }, () => new Set());
  for (const n of p.nodes) for (const s of storages(n)) if (s.kind === 'fixed') segments[n.segment]!.add(s);
  const cuts = new Set<string>();
  let held = new Set<Storage>();
  const total = (of: ReadonlySet<Storage>): number => [...of].reduce((n, s) => n + fullBytes(s), 0);
  for (const [i, own] of segments.entries()) {
    const both = new Set([...held, ...own]);
    const full = held.size > 0 && total(both) > room(cuts.size);
    if (full) cuts.add(p.graph.borders[i - 1]!);
    held = full ? new Set(own) : both;
  }
  return cuts;
}

/** Bytes for weights and caches in a memory of `maximum` bytes, `used` of them taken, beside the plan's arena. Some are left for programs that need more room than this one. */
export const stageRoom = (p: Plan, maximum: number, threads: number, used = 0): number =>
  maximum - maximum / 32 - used - p.arenaBytes - p.scratchBytes * threads;

/** The stages of a plan between the borders named by `cuts`. */
export function splitPlan(p: Plan, cuts: ReadonlySet<string>): readonly Stage[] {
  const stageOf = [0];
  for (const name of p.graph.borders) stageOf.push(stageOf.at(-1)! + (cuts.has(name) ? 1 : 0));
  const count = stageOf.at(-1)! + 1;
  if (count === 1) return [{ plan: p, crossings: [] }];

  const nodes: Node[][] = Array.from({ length: count }, () => []);
  for (const n of p.nodes) nodes[stageOf[n.segment]!]!.push(n);
  const seen = nodes.map((own) => new Set(own.flatMap((n) => [...storages(n)])));
  const inputs = new Set([...p.graph.inputs.values()].map((t) => t.storage));
  /** The stage where a storage appears first. */
  const origin = (s: Storage): number =>
    Math.max(
      0,
      seen.findIndex((of) => of.has(s)),
    );
  const crossings = seen.map((own, i) =>
    [...own].flatMap((storage): Crossing[] => {
      const from = inputs.has(storage) || storage.kind === 'fixed' ? -1 : seen.slice(0, i).findLastIndex((of) => of.has(storage));
      return from < 0 ? [] : [{ storage, from, bytes: extent(storage, [...nodes[from]!, ...nodes[i]!]) }];
    }),
  );
  return nodes.map((own, i) => {
    const given = new Set([...inputs].filter((s) => seen[i]!.has(s) || (i === 0 && origin(s) === 0)));
    for (const c of crossings[i]!) given.add(c.storage);
    const readable = new Map([...p.readable].filter(([, t]) => origin(t.storage) === i));
    const staying = crossings.flatMap((of) => of.filter((c) => c.from === i).map((c) => c.storage));
    return { plan: lay(p.graph, own, given, readable, staying), crossings: crossings[i]! };
  });
}

const storages = (n: Node): Set<Storage> => new Set([...n.inputs, ...n.outputs].map((t) => t.storage));

/** How far the tensors of `nodes` reach into a storage. Elements of four bytes lie row by row; anything else is taken whole. */
function extent(storage: Storage, nodes: readonly Node[]): (size: SizeOf) => number {
  const views = new Set(nodes.flatMap((n) => [...n.inputs, ...n.outputs]).filter((t) => t.storage === storage));
  return (size) => Math.min(storage.bytes, Math.max(0, ...[...views].map((t) => end(t, size))));
}

function end(t: Tensor, size: SizeOf): number {
  if (t.dtype !== 'f32' && t.dtype !== 'i32') return t.offset + byteSize(t.dtype, t.shape);
  const rows = t.shape.slice(0, -1).reduce<number>((n, d) => n * size(d), 1);
  return rows === 0 ? 0 : t.offset + 4 * ((rows - 1) * t.stride + colsOf(t.shape));
}
