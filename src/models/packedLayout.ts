// GGUF files whose matrices lie in the layouts of linear memory, so that loading is reading (`--packed`, written by src/convert/packed.ts):
//
//   pumice.packed           version of the layouts
//   pumice.packed.tensors   JSON: { name: [layout, type, shape] } of each packed tensor; in the file it is i8 [groups of 8 rows, bytes]
//
// All names are canonical. Layouts change with the kernels: a file of another version is refused, and made again from the plain one.

import { FormatError, InputError } from '../errors.ts';
import type { GgufFile } from '../formats/gguf.ts';
import { isStorageType, type StorageType, type TensorFiles, type TensorInfo } from '../formats/tensors.ts';
import { isPacked, PACKED_VERSION } from '../graph/packed.ts';
import { byteSize, type DType } from '../graph/tensor.ts';
import { Config } from './config.ts';

export const PACKED_KEY = 'pumice.packed';
export const PACKED_TENSORS = 'pumice.packed.tensors';

/** Layout, storage type, shape. */
export type PackedEntry = readonly [layout: string, type: StorageType, shape: readonly number[]];

/** The tensors as they were, packed ones marked. Throws InputError for another version, FormatError for a broken table. */
export function packedTensors(file: GgufFile): TensorFiles {
  const version = file.meta.u32(PACKED_KEY);
  if (version !== PACKED_VERSION)
    throw new InputError(
      `${file.name}: is packed for another version: got ${version}, expected ${PACKED_VERSION}: pack it again from the plain file (pumice convert --packed)`,
    );
  const entries = Config.parse(`${file.name}: ${PACKED_TENSORS}`, file.meta.string(PACKED_TENSORS)).values;
  const tensors = new Map<string, TensorInfo>();
  for (const info of file.tensors.values()) {
    const entry = Object.hasOwn(entries, info.name) ? entries[info.name] : undefined;
    tensors.set(info.name, entry === undefined ? info : { ...info, ...checked(file.name, info, entry as unknown as PackedEntry) });
  }
  return {
    name: file.name,
    tensors,
    readInto: (tensor, target, from) => file.readInto(file.tensors.get(tensor.name)!, target, from),
    close: () => file.close(),
  };
}

function checked(where: string, info: TensorInfo, entry: PackedEntry): Pick<TensorInfo, 'type' | 'shape' | 'packed'> {
  const [packed, type, shape] = Array.isArray(entry) ? entry : [];
  const whole = Array.isArray(shape) && shape.length > 1 && shape.every((n) => Number.isInteger(n) && n > 0);
  if (typeof packed === 'string' && isPacked(packed as DType) && typeof type === 'string' && isStorageType(type) && whole) {
    const cols = shape.slice(1).reduce((a, b) => a * b, 1);
    if (byteSize(packed as DType, [shape[0]!, cols]) === info.bytes) return { type, shape, packed };
  }
  throw new FormatError(
    'structure',
    `${where}: ${info.name}: got ${JSON.stringify(entry)} for ${info.bytes} bytes: layout, type and shape of as many are expected`,
  );
}
