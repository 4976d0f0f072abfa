// A checkpoint's tensors as they lie in memory, f32.

import type { TensorFiles, TensorInfo } from '../../src/formats/tensors.ts';
import { random } from '../harness.ts';

export interface MemoryTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export function memoryFiles(all: ReadonlyMap<string, MemoryTensor>): TensorFiles {
  const tensors = new Map(
    [...all].map(([name, { shape, values }]): [string, TensorInfo] => [name, { name, type: 'f32', shape, bytes: values.byteLength }]),
  );
  return {
    name: 'memory',
    tensors,
    async readInto({ name }, target, from = 0) {
      const { buffer, byteOffset } = all.get(name)!.values;
      target.set(new Uint8Array(buffer, byteOffset + from, target.byteLength));
    },
    async close() {},
  };
}

/** Random values in -1..1, the same for the same shapes. */
export const randomTensors = (shapes: Readonly<Record<string, readonly number[]>>): Map<string, MemoryTensor> =>
  new Map(
    Object.entries(shapes).map(([name, shape], i) => [
      name,
      {
        shape,
        values: random(
          shape.reduce((a, b) => a * b, 1),
          i + 1,
        ),
      },
    ]),
  );
