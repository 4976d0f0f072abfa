// A GGUF file as a stream of pieces: a few rows at a time are read, turned to the type of the file, and given on. Memory does not grow with the model.

import { FormatError, PumiceError } from '../errors.ts';
import { dequantize } from '../formats/dequantize.ts';
import { ggufHead, padding } from '../formats/ggufWriter.ts';
import { BLOCKS, type TensorInfo } from '../formats/tensors.ts';
import type { Platform } from '../runtime/platform.ts';
import type { GgufContent, OutTensor } from './content.ts';
import { Quantizer } from './quantizer.ts';

/** Stored bytes read at once, about. */
const PIECE = 2 ** 22;

export interface GgufStream {
  /** Bytes of the whole file. */
  readonly bytes: number;
  /** The file from its first byte on. Can be asked for once. */
  pieces(): AsyncGenerator<Uint8Array>;
}

/** The file with this content; the same content gives the same bytes. Throws ShapeError where a row is no whole number of blocks. */
export function ggufStream({ metadata, tensors }: GgufContent, platform: Platform): GgufStream {
  const { head, bytes } = ggufHead(metadata, tensors);
  return {
    bytes: bytes.reduce((sum, b) => sum + b + padding(b), head.length),
    async *pieces() {
      yield head;
      await using quantizer = await Quantizer.create(platform);
      for (const [i, tensor] of tensors.entries()) {
        for (const [at, part] of tensor.parts.entries()) yield* converted(quantizer, tensor, part, at);
        yield new Uint8Array(padding(bytes[i]!));
      }
    },
  };
}

/** Part `at` of a tensor in the tensor's type. */
async function* converted(quantizer: Quantizer, tensor: OutTensor, part: TensorInfo, at: number): AsyncGenerator<Uint8Array> {
  const cols = part.shape.length > 1 ? part.shape.at(-1)! : tensor.interleave === undefined ? (part.shape[0] ?? 1) : 1;
  const values = part.shape.reduce((a, b) => a * b, 1);
  const rows = values / cols;
  const stored = BLOCKS[part.type];
  // A bias whose elements change places is a column.
  const rowBytes = (cols / stored.values) * stored.bytes;
  const unit = tensor.interleave === undefined ? 1 : rows / tensor.interleave;
  if (!Number.isInteger(unit))
    throw new FormatError('structure', `${part.name}: got ${rows} rows for ${tensor.interleave} heads: a multiple is expected`);
  // A part is an expert, or holds all of them.
  const experts = (tensor.importance?.length ?? cols) / cols / tensor.parts.length;
  const most = Math.max(unit, Math.floor(PIECE / rowBytes / unit) * unit);
  const each = rows / experts;
  const same = part.type === tensor.type;

  const read = async (row: number) => {
    const end = Math.min(row + most, rows, row + each - (row % each));
    let bytes = new Uint8Array((end - row) * rowBytes);
    await tensor.files.readInto(part, bytes, row * rowBytes);
    if (tensor.interleave !== undefined) bytes = interleaved(bytes, rowBytes, unit);
    return { row, end, bytes, values: same ? null : dequantize(part.type, bytes) };
  };
  const write = async ({ row, bytes, values }: Awaited<ReturnType<typeof read>>) => {
    if (values === null) return bytes;
    const expert = at + Math.floor(row / each);
    const importance = tensor.importance?.subarray(expert * cols, (expert + 1) * cols) ?? null;
    try {
      return await quantizer.quantize(tensor.type, values, cols, importance);
    } catch (error) {
      if (!(error instanceof PumiceError)) throw error;
      throw new FormatError(error.code, `${tensor.files.name}: ${part.name}, from row ${row} on: ${error.message}`, { cause: error });
    }
  };

  // While the threads quantize a piece, the next one is read and the one before is written.
  let before: Uint8Array | undefined;
  for (let piece = rows > 0 ? await read(0) : null; piece !== null; ) {
    const now = write(piece);
    const next: ReturnType<typeof read> | null = piece.end < rows ? read(piece.end) : null;
    // What fails is told when it is waited for: that may be never.
    for (const promise of [now, next]) promise?.catch(() => {});
    if (before) yield before;
    before = await now;
    piece = await next;
  }
  if (before) yield before;
}

/** Rows of each head of `dim` rows from split-half to interleaved order. */
function interleaved(bytes: Uint8Array, rowBytes: number, dim: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  const half = dim / 2;
  for (let head = 0; head < bytes.length; head += dim * rowBytes) {
    for (let row = 0; row < dim; row++) {
      const from = head + ((row & 1) * half + (row >> 1)) * rowBytes;
      out.set(bytes.subarray(from, from + rowBytes), head + row * rowBytes);
    }
  }
  return out;
}
