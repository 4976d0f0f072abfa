// What the graph must know about an operation. One object per op, one file per object, of the same name as its kernel.

import type { Cell, Dim, Tensor, TensorSpec } from './tensor.ts';

/** Reads the current value of a dimension: its upper bound when planning, the cell's value when counting a run. */
export type SizeOf = (d: Dim) => number;

export interface Cost {
  /** Multiply-adds. */
  readonly macs: number;
  /** Bytes read and written. */
  readonly bytes: number;
}

/** Fills the fields of one record. The opcode, output, input and scratch addresses are already there. */
export interface RecordWriter {
  int(field: number, value: number): void;
  float(field: number, value: number): void;
  /** Stores the address of a cell that holds the dimension: a constant gets a cell of its own. */
  dim(field: number, dim: Dim): void;
  address(field: number, tensor: Tensor): void;
}

/** `P` are the op's parameters; inputs and outputs are tensors. */
export interface Op<P = Record<never, never>> {
  readonly name: string;
  readonly opcode: number;
  /** Results; throws ShapeError when the inputs do not fit. */
  outputs(inputs: readonly Tensor[], params: P): readonly TensorSpec[];
  cost(inputs: readonly Tensor[], params: P, size: SizeOf): Cost;
  encode(record: RecordWriter, inputs: readonly Tensor[], params: P, outputs: readonly Tensor[]): void;
  /** Bytes of scratch for each thread. */
  scratch?(inputs: readonly Tensor[], params: P): number;
  /** Index of an input that the first output may overwrite when nobody needs it afterwards. */
  readonly inPlace?: number;
  /** Cells that the kernel writes. */
  writes?(params: P): readonly Cell[];
}
