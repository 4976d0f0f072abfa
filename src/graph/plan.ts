// The planner: liveness -> offsets in the arena; graph -> a table of records once addresses are known.

import { BARRIER, FLAGS, IN0, OPCODE, OUT, RECORD_BYTES, SCRATCH, SCRATCH_STRIDE } from '../../assembly/program.ts';
import type { Graph, Node } from './graph.ts';
import type { RecordWriter } from './op.ts';
import { byteSize, colsOf, type Dim, type Storage, type Tensor } from './tensor.ts';

const ALIGN = 64;
const align = (n: number): number => Math.ceil(n / ALIGN) * ALIGN;

/** A graph with places in the arena. Addresses follow when an engine installs it. */
export interface Plan {
  readonly graph: Graph;
  readonly nodes: readonly Node[];
  /** Offset of each arena storage. */
  readonly offsets: ReadonlyMap<Storage, number>;
  readonly arenaBytes: number;
  /** Bytes of scratch for each thread. */
  readonly scratchBytes: number;
  /** Fixed storages that the nodes use. */
  readonly fixed: ReadonlySet<Storage>;
  /** Named tensors that can be read after a run. */
  readonly readable: ReadonlyMap<string, Tensor>;
}

/** Base addresses that turn a plan into records. */
export interface Placement {
  address(storage: Storage): number;
  cell(dim: Dim): number;
  readonly scratch: number;
}

/**
 * Plans a graph. `keep` names taps that must survive until the end of the run.
 * Nodes whose results nobody reads are dropped, unless they write cells or fixed storage.
 */
export function plan(graph: Graph, keep: Iterable<string> = []): Plan {
  const readable = new Map(graph.outputs);
  for (const name of keep) {
    const t = graph.taps.get(name);
    if (t) readable.set(name, t);
  }
  const nodes = withoutDead(graph.nodes, storagesOf(readable));
  return lay(graph, nodes, storagesOf(graph.inputs), readable);
}

const storagesOf = (named: ReadonlyMap<string, Tensor>): Set<Storage> => new Set([...named.values()].map((t) => t.storage));

/** Gives every storage of `nodes` a place. `given` are filled when the run begins; `staying` and what is readable are there when it ends. */
export function lay(
  graph: Graph,
  nodes: readonly Node[],
  given: ReadonlySet<Storage>,
  readable: ReadonlyMap<string, Tensor>,
  staying: Iterable<Storage> = [],
): Plan {
  const kept = new Set([...storagesOf(readable), ...staying]);
  const first = new Map<Storage, number>();
  const last = new Map<Storage, number>();
  const fixed = new Set<Storage>();
  const touch = (s: Storage, at: number) => {
    if (s.kind === 'fixed') return void fixed.add(s);
    if (!first.has(s)) first.set(s, at);
    last.set(s, Math.max(last.get(s) ?? at, at));
  };
  for (const s of given) touch(s, -1);
  nodes.forEach((n, i) => {
    for (const t of n.inputs) touch(t.storage, i);
    for (const t of n.outputs) touch(t.storage, i);
  });
  for (const s of kept) touch(s, nodes.length);

  const roots = overwrite(nodes, new Set([...kept, ...given]), first, last);
  const offsets = new Map<Storage, number>();
  const arenaBytes = place(first, last, offsets);
  for (const [s, root] of roots) offsets.set(s, offsets.get(root)!);
  return { graph, nodes, offsets, arenaBytes, scratchBytes: align(Math.max(0, ...nodes.map((n) => n.scratch))), fixed, readable };
}

/** Keeps what reaches a kept storage, a fixed storage or a cell. */
function withoutDead(nodes: readonly Node[], kept: ReadonlySet<Storage>): Node[] {
  const needed = new Set(kept);
  const live: Node[] = [];
  for (const n of [...nodes].reverse()) {
    const effect = n.outputs.length === 0 || (n.op.writes?.(n.params as never).length ?? 0) > 0;
    if (!effect && !n.outputs.some((t) => needed.has(t.storage))) continue;
    for (const t of n.inputs) needed.add(t.storage);
    live.push(n);
  }
  return live.reverse();
}

/**
 * Lets results take the place of an input where the op allows it: the input is a whole temporary of the same size, this is its last use,
 * and no other input looks at it. Returns the storages that have no place of their own, each with the one whose place it takes; that one
 * then lives from the first to the last use of all that share it.
 */
function overwrite(
  nodes: readonly Node[],
  untouchable: ReadonlySet<Storage>,
  first: Map<Storage, number>,
  last: Map<Storage, number>,
): Map<Storage, Storage> {
  const roots = new Map<Storage, Storage>();
  const rootOf = (s: Storage): Storage => roots.get(s) ?? s;
  nodes.forEach((n, i) => {
    const x = n.op.inPlace === undefined ? undefined : n.inputs[n.op.inPlace];
    const y = n.outputs[0];
    if (!x || !y || x.storage.kind !== 'arena' || x.offset !== 0 || x.stride !== colsOf(x.shape)) return;
    if (byteSize(x.dtype, x.shape) !== y.storage.bytes || x.storage.bytes !== y.storage.bytes) return;
    const root = rootOf(x.storage);
    if (untouchable.has(x.storage) || last.get(root) !== i) return;
    if (n.inputs.some((t, k) => k !== n.op.inPlace && rootOf(t.storage) === root)) return;
    roots.set(y.storage, root);
    last.set(root, Math.max(i, last.get(y.storage) ?? i));
    first.delete(y.storage);
    last.delete(y.storage);
  });
  return roots;
}

/** First fit by falling size: each storage takes the lowest offset that is free during its life. */
function place(first: ReadonlyMap<Storage, number>, last: ReadonlyMap<Storage, number>, offsets: Map<Storage, number>): number {
  const order = [...first.keys()].sort((a, b) => b.bytes - a.bytes || first.get(a)! - first.get(b)!);
  const placed: { from: number; to: number; start: number; end: number }[] = [];
  let total = 0;
  for (const s of order) {
    const start = first.get(s)!;
    const end = last.get(s)!;
    const bytes = align(Math.max(s.bytes, 1));
    const busy = placed.filter((p) => p.start <= end && p.end >= start).sort((a, b) => a.from - b.from);
    let at = 0;
    for (const p of busy) {
      if (p.from - at >= bytes) break;
      at = Math.max(at, p.to);
    }
    placed.push({ from: at, to: at + bytes, start, end });
    offsets.set(s, at);
    total = Math.max(total, at + bytes);
  }
  return total;
}

/** Writes the records of a plan. `barriers`: real threads will meet after each op. */
export function encode(p: Plan, placement: Placement, barriers: boolean): Uint8Array {
  const bytes = new Uint8Array(p.nodes.length * RECORD_BYTES);
  p.nodes.forEach((n, i) => {
    const view = new DataView(bytes.buffer, i * RECORD_BYTES, RECORD_BYTES);
    const at = (t: Tensor) => placement.address(t.storage) + t.offset;
    view.setUint32(OPCODE, n.op.opcode, true);
    view.setUint32(FLAGS, barriers ? BARRIER : 0, true);
    n.outputs.forEach((t, k) => {
      view.setUint32(OUT + 4 * k, at(t), true);
    });
    n.inputs.forEach((t, k) => {
      view.setUint32(IN0 + 4 * k, at(t), true);
    });
    view.setUint32(SCRATCH, placement.scratch, true);
    view.setUint32(SCRATCH_STRIDE, p.scratchBytes, true);
    const writer: RecordWriter = {
      int: (field, value) => view.setInt32(field, value, true),
      float: (field, value) => view.setFloat32(field, value, true),
      dim: (field, dim) => view.setUint32(field, placement.cell(dim), true),
      address: (field, t) => view.setUint32(field, at(t), true),
    };
    n.encode(writer);
  });
  return bytes;
}
