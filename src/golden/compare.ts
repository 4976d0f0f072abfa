// Reading cases and comparing tensors, for all runners.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bf16ToF32, f16ToF32 } from '../formats/half.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import type { StorageType } from '../formats/tensors.ts';
import { fileSource } from '../runtime/nodeFiles.ts';

/** What a runner throws when the project's result is not the reference's. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/** |got - want| <= atol + rtol * |want|. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** case.json. `params`, `greedy` and `files` differ from system to system: the runner knows their form. */
export interface GoldenCase {
  readonly system: string;
  readonly case: string;
  readonly what: string;
  readonly files: Readonly<Record<string, unknown>>;
  readonly tolerance: Readonly<Record<string, Tolerance>>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly greedy?: unknown;
  readonly informative?: readonly string[];
}

/** Values of a tensor. f16 and bf16 are widened to float32; bool is a byte per value. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface LoadedTensor {
  /** The type in the file. */
  readonly dtype: StorageType;
  /** Row-major, last axis contiguous. */
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Parses `case.json` of a case folder. */
export function readCase(dir: string): GoldenCase {
  return JSON.parse(readFileSync(join(dir, 'case.json'), 'utf8')) as GoldenCase;
}

/** All tensors of a safetensors file, by name. */
export async function loadTensors(path: string): Promise<Map<string, LoadedTensor>> {
  const file = await openSafetensors(fileSource(path));
  try {
    const result = new Map<string, LoadedTensor>();
    for (const tensor of file.tensors.values()) {
      const bytes = new Uint8Array(tensor.bytes);
      await file.readInto(tensor, bytes);
      result.set(tensor.name, { dtype: tensor.type, shape: tensor.shape, data: typed(tensor.type, bytes.buffer) });
    }
    return result;
  } finally {
    await file.close();
  }
}

function typed(type: StorageType, buffer: ArrayBuffer): TensorData {
  switch (type) {
    case 'f32':
      return new Float32Array(buffer);
    case 'f16':
      return Float32Array.from(new Uint16Array(buffer), f16ToF32);
    case 'bf16':
      return Float32Array.from(new Uint16Array(buffer), bf16ToF32);
    case 'f64':
      return new Float64Array(buffer);
    case 'i8':
      return new Int8Array(buffer);
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer);
    case 'i16':
      return new Int16Array(buffer);
    case 'u16':
      return new Uint16Array(buffer);
    case 'i32':
      return new Int32Array(buffer);
    case 'u32':
      return new Uint32Array(buffer);
    case 'i64':
      return new BigInt64Array(buffer);
    case 'u64':
      return new BigUint64Array(buffer);
    default:
      throw new Mismatch(`a fixture has a tensor of type ${type}`);
  }
}

/** A tensor that must be there. */
export function tensor(tensors: ReadonlyMap<string, LoadedTensor>, name: string): LoadedTensor {
  const found = tensors.get(name);
  if (found === undefined) throw new Mismatch(`the fixture has no tensor ${name}: it has ${[...tensors.keys()].join(', ')}`);
  return found;
}

/** The values of a float tensor (f32, f16, bf16) that must be there. */
export function floats(tensors: ReadonlyMap<string, LoadedTensor>, name: string): Float32Array {
  const { data, dtype } = tensor(tensors, name);
  if (!(data instanceof Float32Array)) throw new Mismatch(`the fixture's tensor ${name} is ${dtype}, floats are expected`);
  return data;
}

/** The values of an integer tensor of any width that must be there, as numbers. */
export function integers(tensors: ReadonlyMap<string, LoadedTensor>, name: string): Int32Array {
  return Int32Array.from(tensor(tensors, name).data as ArrayLike<number | bigint>, Number);
}

let compared = createHash('sha256');

/** Digest of the bits of all floats compared since the last call: where two ways to run a case must agree exactly, it says whether they do. */
export function takeDigest(): string {
  const digest = compared.digest('hex').slice(0, 16);
  compared = createHash('sha256');
  return digest;
}

/**
 * Throws Mismatch unless every value is within the tolerance; equal infinities and two NaN count as equal.
 * The message has the number of values that differ, the first of them, and the largest error.
 */
export function assertClose(name: string, got: Float32Array, want: Float32Array, tolerance: Tolerance): void {
  compared.update(name).update(new Uint8Array(got.buffer, got.byteOffset, got.byteLength));
  if (got.length !== want.length) throw new Mismatch(`${name}: got ${got.length} values, want ${want.length}`);
  let count = 0;
  let first = -1;
  let largest = 0;
  let largestAt = -1;
  for (let i = 0; i < want.length; i++) {
    const g = got[i]!;
    const w = want[i]!;
    if (Object.is(g, w) || g === w) continue;
    const error = Math.abs(g - w);
    if (error <= tolerance.atol + tolerance.rtol * Math.abs(w)) continue;
    if (count++ === 0) first = i;
    if (!(error <= largest)) {
      largest = error;
      largestAt = i;
    }
  }
  if (count === 0) return;
  throw new Mismatch(
    `${name}: ${count} of ${want.length} values differ by more than ${tolerance.atol} + ${tolerance.rtol} * |want|: first at [${first}]: got ${got[first]}, want ${want[first]}; ` +
      `largest error ${largest} at [${largestAt}]: got ${got[largestAt]}, want ${want[largestAt]}`,
  );
}

/** Throws Mismatch unless both lists hold the same values, compared with ===. */
export function assertSame(name: string, got: ArrayLike<unknown>, want: ArrayLike<unknown>): void {
  for (let i = 0; i < Math.max(got.length, want.length); i++) {
    if (i < got.length && i < want.length && got[i] === want[i]) continue;
    throw new Mismatch(
      `${name}: got ${got.length} values, want ${want.length}: first difference at [${i}]: got ${got[i]}, want ${want[i]}`,
    );
  }
}
