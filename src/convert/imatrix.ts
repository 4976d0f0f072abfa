// Importance matrices: for each weight matrix the mean squared input of each column.
//
//   GGUF     `<name>.in_sum2` and `<name>.counts`, f32: the weight is their quotient
//   legacy   i32 n, then n x { i32 length, name, i32 calls, i32 count, f32 [count] }: the weight is value / calls

import { FormatError } from '../errors.ts';
import { openGguf } from '../formats/gguf.ts';
import type { ByteSource } from '../formats/source.ts';
import type { TensorFiles } from '../formats/tensors.ts';

/** Weights of columns by the name of the matrix. */
export type Importance = ReadonlyMap<string, Float32Array>;

const MAX_LEGACY = 2 ** 30;

/** Reads an importance matrix; the source is closed. Throws FormatError for files that are none. */
export async function readImatrix(source: ByteSource): Promise<Importance> {
  const magic = new Uint8Array(Math.min(4, source.size));
  await source.readInto(magic, 0);
  if (String.fromCharCode(...magic) !== 'GGUF') {
    try {
      return await readLegacy(source);
    } finally {
      await source.close();
    }
  }
  const file = await openGguf(source);
  try {
    const result = new Map<string, Float32Array>();
    for (const info of file.tensors.values()) {
      if (!info.name.endsWith('.in_sum2')) continue;
      const name = info.name.slice(0, -'.in_sum2'.length);
      const sums = await floats(file, info.name);
      const counts = await floats(file, `${name}.counts`);
      // One count for each expert.
      const cols = sums.length / counts.length;
      result.set(
        name,
        sums.map((sum, i) => {
          const n = counts[Math.floor(i / cols)]!;
          return n > 0 ? sum / n : 1;
        }),
      );
    }
    if (result.size === 0) throw new FormatError('structure', `${source.name}: holds no importance: tensors named .in_sum2 are expected`);
    return result;
  } finally {
    await file.close();
  }
}

async function floats(file: TensorFiles, name: string): Promise<Float32Array> {
  const info = file.tensors.get(name);
  if (info?.type !== 'f32') throw new FormatError('structure', `${file.name}: ${name}: got ${info?.type ?? 'nothing'}, f32 is expected`);
  const bytes = new Uint8Array(info.bytes);
  await file.readInto(info, bytes);
  return new Float32Array(bytes.buffer);
}

async function readLegacy(source: ByteSource): Promise<Importance> {
  const fail = (): never => {
    throw new FormatError(
      'format',
      `${source.name}: is no importance matrix: a GGUF file with in_sum2 tensors, or an old .dat file, is expected`,
    );
  };
  if (source.size < 16 || source.size > MAX_LEGACY) fail();
  const bytes = new Uint8Array(source.size);
  await source.readInto(bytes, 0);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const int = (): number => {
    if (at + 4 > bytes.length) fail();
    at += 4;
    return view.getInt32(at - 4, true);
  };
  const result = new Map<string, Float32Array>();
  const entries = int();
  if (entries < 1 || entries > bytes.length / 12) fail();
  for (let i = 0; i < entries; i++) {
    const length = int();
    if (length < 1 || at + length > bytes.length) fail();
    const name = new TextDecoder().decode(bytes.subarray(at, at + length));
    at += length;
    const calls = int();
    const count = int();
    if (count < 1 || at + 4 * count > bytes.length) fail();
    const start = at;
    result.set(
      name,
      Float32Array.from({ length: count }, (_, k) => view.getFloat32(start + 4 * k, true) / Math.max(calls, 1)),
    );
    at += 4 * count;
  }
  return result;
}
