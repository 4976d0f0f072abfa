// The merge loop of byte-pair encoding, for both families: join the adjacent pair of lowest rank, leftmost first on ties, until none is left.
//
// A heap holds rank * 2^32 + position. An entry is stale when the pair that begins at its position has another rank by now.
// n symbols take O(n log n), also when they are one word.

const POSITIONS = 2 ** 32;

/** Rank of joining text[start, mid) and text[mid, end); negative when they do not join. */
export type PairRank = (start: number, mid: number, end: number) => number;

/** `bounds` are the ascending ends of the symbols with a leading start; the result is what remains of them. `merged` hears of every join. */
export function mergeSymbols(
  bounds: ArrayLike<number>,
  rank: PairRank,
  merged?: (start: number, mid: number, end: number) => void,
): number[] {
  const n = bounds.length - 1;
  const next = new Int32Array(n);
  const previous = new Int32Array(n);
  const pair = new Int32Array(n).fill(-1);
  const heap: number[] = [];

  const rate = (i: number): void => {
    const j = next[i]!;
    const r = j < n ? rank(bounds[i]!, bounds[j]!, bounds[next[j]!]!) : -1;
    pair[i] = r;
    if (r >= 0) push(heap, r * POSITIONS + i);
  };
  for (let i = 0; i < n; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (let i = 0; i < n; i++) rate(i);

  while (heap.length > 0) {
    const key = pop(heap);
    const r = Math.floor(key / POSITIONS);
    const i = key - r * POSITIONS;
    if (pair[i] !== r) continue;
    const j = next[i]!;
    const k = next[j]!;
    merged?.(bounds[i]!, bounds[j]!, bounds[k]!);
    next[i] = k;
    if (k < n) previous[k] = i;
    pair[j] = -1;
    rate(i);
    if (previous[i]! >= 0) rate(previous[i]!);
  }

  const out = [bounds[0]!];
  for (let i = 0; i < n; i = next[i]!) out.push(bounds[next[i]!]!);
  return out;
}

/** The bounds of the single code points of a text. */
export function codePointBounds(text: string): number[] {
  const bounds = [0];
  let end = 0;
  for (const point of text) {
    end += point.length;
    bounds.push(end);
  }
  return bounds;
}

function push(heap: number[], key: number): void {
  let i = heap.length;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (heap[parent]! <= key) break;
    heap[i] = heap[parent]!;
    i = parent;
  }
  heap[i] = key;
}

function pop(heap: number[]): number {
  const top = heap[0]!;
  const key = heap.pop()!;
  const n = heap.length;
  if (n === 0) return top;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= key) break;
    heap[i] = heap[child]!;
    i = child;
  }
  heap[i] = key;
  return top;
}
