// Families of elementwise ops on f32: inputs may be column windows, the result is contiguous.

import { P0, P1 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import type { Op } from '../op.ts';
import { colsOf, maxSize, rowsOf, show, type Tensor } from '../tensor.ts';
import { elements, needF32, needSameCols, needSameRows, writeRows } from './rows.ts';

/** Scratch of a thread for the constants of `exp` and of the op (assembly/exp.ts, assembly/families/activation.ts). */
export const CONSTANT_BYTES = 512;

/** `f(x)`. `macs`: the arithmetic of one value, as multiply-adds. */
export function unary(name: string, opcode: number, macs: number): Op {
  return {
    name,
    opcode,
    inPlace: 0,
    outputs([x]) {
      needF32(name, x!);
      return [{ dtype: 'f32', shape: x!.shape }];
    },
    cost: ([x], _, size) => ({ macs: macs * elements(x!, size), bytes: 8 * elements(x!, size) }),
    scratch: () => CONSTANT_BYTES,
    encode(r, [x]) {
      writeRows(r, x!);
      r.int(P0, x!.stride);
    },
  };
}

/** `f(gate) * up`: both of one shape, often the two halves of one matrix. */
export function gated(name: string, opcode: number, macs: number): Op {
  return {
    name,
    opcode,
    inPlace: 0,
    outputs([gate, up]) {
      needF32(name, gate!, up!);
      needSameRows(name, gate!, up!);
      needSameCols(name, gate!, up!);
      return [{ dtype: 'f32', shape: gate!.shape }];
    },
    cost: ([gate], _, size) => ({ macs: (macs + 1) * elements(gate!, size), bytes: 12 * elements(gate!, size) }),
    scratch: () => CONSTANT_BYTES,
    encode(r, [gate, up]) {
      writeRows(r, gate!);
      r.int(P0, gate!.stride);
      r.int(P1, up!.stride);
    },
  };
}

/** `f(x, y)`: y has the shape of x, or is one row that meets every row of x. */
export function binary(name: string, opcode: number): Op {
  const oneRow = (y: Tensor): boolean => maxSize(y.shape) === colsOf(y.shape);
  return {
    name,
    opcode,
    inPlace: 0,
    outputs([x, y]) {
      needF32(name, x!, y!);
      if (colsOf(x!.shape) !== colsOf(y!.shape) || (rowsOf(x!.shape) !== rowsOf(y!.shape) && !oneRow(y!))) {
        throw new ShapeError(`${name}: the second input must have the shape of the first or be one row: got ${show(x!)} and ${show(y!)}`);
      }
      return [{ dtype: 'f32', shape: x!.shape }];
    },
    cost: ([x, y], _, size) => ({ macs: elements(x!, size), bytes: 8 * elements(x!, size) + 4 * elements(y!, size) }),
    encode(r, [x, y]) {
      writeRows(r, x!);
      r.int(P0, x!.stride);
      r.int(P1, oneRow(y!) ? 0 : y!.stride);
    },
  };
}
