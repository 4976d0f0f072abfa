// What every weight format offers: named tensors whose bytes are read by range.

/** Storage types as they stand in files. Lower-case names of GGUF's and safetensors' types. */
export type StorageType =
  | 'f32'
  | 'f16'
  | 'bf16'
  | 'f64'
  | 'i8'
  | 'u8'
  | 'i16'
  | 'u16'
  | 'i32'
  | 'u32'
  | 'i64'
  | 'u64'
  | 'bool'
  | 'q4_0'
  | 'q4_1'
  | 'q5_0'
  | 'q5_1'
  | 'q8_0'
  | 'q2_k'
  | 'q3_k'
  | 'q4_k'
  | 'q5_k'
  | 'q6_k'
  | 'q8_k'
  | 'iq4_nl'
  | 'iq4_xs';

/** One tensor of a checkpoint: where it lies is the format's own business. */
export interface TensorInfo {
  readonly name: string;
  readonly type: StorageType;
  /** Row-major, PyTorch order: the last axis is contiguous. */
  readonly shape: readonly number[];
  /** Bytes of the whole tensor as stored. */
  readonly bytes: number;
  /** Stored in this layout of linear memory (see packedGguf.ts) instead of `type`'s. */
  readonly packed?: string;
}

/** A set of named tensors: one file or several that belong together. */
export interface TensorFiles {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Reads `target.byteLength` stored bytes of a tensor from byte `from` on, contiguous in row-major order. */
  readInto(tensor: TensorInfo, target: Uint8Array, from?: number): Promise<void>;
  close(): Promise<void>;
}

/** Bytes and values of one block of a storage type: a row must hold a whole number of blocks. */
export interface BlockSize {
  readonly values: number;
  readonly bytes: number;
}

const plain = (bytes: number): BlockSize => ({ values: 1, bytes });
export const BLOCKS: Readonly<Record<StorageType, BlockSize>> = {
  f32: plain(4),
  f16: plain(2),
  bf16: plain(2),
  f64: plain(8),
  i8: plain(1),
  u8: plain(1),
  i16: plain(2),
  u16: plain(2),
  i32: plain(4),
  u32: plain(4),
  i64: plain(8),
  u64: plain(8),
  bool: plain(1),
  q4_0: { values: 32, bytes: 18 },
  q4_1: { values: 32, bytes: 20 },
  q5_0: { values: 32, bytes: 22 },
  q5_1: { values: 32, bytes: 24 },
  q8_0: { values: 32, bytes: 34 },
  q2_k: { values: 256, bytes: 84 },
  q3_k: { values: 256, bytes: 110 },
  q4_k: { values: 256, bytes: 144 },
  q5_k: { values: 256, bytes: 176 },
  q6_k: { values: 256, bytes: 210 },
  q8_k: { values: 256, bytes: 292 },
  iq4_nl: { values: 32, bytes: 18 },
  iq4_xs: { values: 256, bytes: 136 },
};

export const isStorageType = (name: string): name is StorageType => Object.hasOwn(BLOCKS, name);
