// Tensors whose elements do not follow one another in the file (transposed, sliced, expanded), gathered into row-major order.

import type { ByteSource } from './source.ts';

/** `size`: bytes of an element. `position`: byte of the first one. `strides` count elements. */
export interface StridedPlace {
  readonly position: number;
  readonly size: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Elements gathered at once. */
const PIECE = 64 * 1024;

/**
 * Reads strided tensors by byte range of their row-major form. Between calls it keeps the stored bytes of one tensor, since each row of a
 * transposed matrix comes from all over it.
 */
export function stridedReader(source: ByteSource): {
  readInto(place: StridedPlace, target: Uint8Array, from: number): Promise<void>;
  clear(): void;
} {
  let kept: { readonly position: number; readonly bytes: Uint8Array } | null = null;
  return {
    async readInto(place, target, from) {
      const { position, size, shape, strides } = place;
      const length = (shape.reduce((at, axis, i) => at + (axis - 1) * strides[i]!, 0) + 1) * size;
      let stored = kept;
      if (stored === null || stored.position !== position || stored.bytes.length !== length) {
        stored = { position, bytes: new Uint8Array(length) };
        kept = null;
        await source.readInto(stored.bytes, position);
        kept = stored;
      }
      const piece = new Uint8Array(PIECE * size);
      const end = from + target.byteLength;
      for (let at = from; at < end; ) {
        const first = Math.floor(at / size);
        const count = Math.min(PIECE, Math.ceil(end / size) - first);
        gather(place, stored.bytes, piece, first, count);
        const skip = at - first * size;
        const bytes = Math.min(count * size - skip, end - at);
        target.set(piece.subarray(skip, skip + bytes), at - from);
        at += bytes;
      }
    },
    clear() {
      kept = null;
    },
  };
}

/** Copies `count` elements from the row-major index `first` on. */
function gather({ size, shape, strides }: StridedPlace, stored: Uint8Array, target: Uint8Array, first: number, count: number): void {
  const index = new Array<number>(shape.length).fill(0);
  let rest = first;
  let at = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
    at += index[axis]! * strides[axis]!;
  }
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < size; b++) target[i * size + b] = stored[at * size + b]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
}
