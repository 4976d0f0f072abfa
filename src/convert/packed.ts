// A checkpoint with its matrices packed as the kernels want them: what loading would do, done once.

import { rehearse } from '../estimate/dry.ts';
import type { GgufValue } from '../formats/ggufMetadata.ts';
import type { WriteValue } from '../formats/ggufWriter.ts';
import type { TensorFiles, TensorInfo } from '../formats/tensors.ts';
import { withViews } from '../formats/views.ts';
import { Session } from '../generate/session.ts';
import { fixedTensor } from '../graph/graph.ts';
import { isPacked, PACKED_VERSION } from '../graph/packed.ts';
import { byteSize, type DType, PACK_ROWS } from '../graph/tensor.ts';
import type { Checkpoint } from '../models/model.ts';
import { PACKED_KEY, PACKED_TENSORS, type PackedEntry } from '../models/packedLayout.ts';
import { openModel } from '../models/registry.ts';
import { Engine } from '../runtime/engine.ts';
import { packRows } from '../runtime/load.ts';
import type { Platform } from '../runtime/platform.ts';
import type { GgufContent, Metadata, OutTensor } from './content.ts';

/** Metadata that a packed file shares with the file that it is made of: the rest is in the config. */
const SHARED = /^(general\.(name|type|file_type|quantization_version)|tokenizer\.|pumice\.(tokenizer\.legacy|layers)$)/;

/**
 * What a packed file holds. Tensors that no program multiplies with stay as they are.
 * @param source metadata of the plain file
 */
export async function packedContent(
  platform: Platform,
  checkpoint: Checkpoint,
  source: ReadonlyMap<string, WriteValue | GgufValue>,
): Promise<{ readonly content: GgufContent; close(): Promise<void> }> {
  const engine = await Engine.create(platform);
  const layouts = await layoutsOf(engine, checkpoint);
  const entries: Record<string, PackedEntry> = {};
  const tensors = [...checkpoint.files.tensors.values()].map((info): OutTensor => {
    const layout = layouts.get(info.name);
    if (!layout) return { name: info.name, type: info.type, shape: info.shape, files: checkpoint.files, parts: [info] };
    entries[info.name] = [layout, info.type, info.shape];
    const { files, packed } = packing(engine, checkpoint.files, info, layout);
    return { name: info.name, type: packed.type, shape: packed.shape, files, parts: [packed] };
  });
  const json = (values: unknown) => ({ type: 'string', value: JSON.stringify(values) }) as const;
  const { config, vision } = checkpoint;
  const metadata: Metadata = new Map([
    ['general.architecture', { type: 'string', value: 'pumice' }],
    ...[...source].filter(([key]) => SHARED.test(key)),
    ['general.name', { type: 'string', value: checkpoint.name }],
    ['pumice.config', json(config.values)],
    ...(vision
      ? ([
          ['pumice.vision', json(vision.config.values)],
          ['pumice.preprocessor', json(vision.preprocessor.values)],
        ] as const)
      : []),
    [PACKED_KEY, { type: 'u32', value: PACKED_VERSION }],
    [PACKED_TENSORS, json(entries)],
  ]);
  return { content: { metadata, tensors }, close: () => engine.dispose() };
}

/** Layouts of the tensors that programs use as matrices only: found by building all programs, which reads nothing. */
async function layoutsOf(engine: Engine, checkpoint: Checkpoint): Promise<Map<string, DType>> {
  const model = await openModel(checkpoint, {});
  const { programs } = rehearse(engine, model.weights);
  await model.encoder?.prepare(programs);
  await new Session(programs, model.decoder).prepare();
  const layouts = new Map<string, DType>();
  const plain = new Set<string>();
  for (const { form, tensor, parts } of model.weights.flatMap((w) => [...w.uses])) {
    for (const { info } of parts) {
      if (form === 'packed' && isPacked(tensor.dtype) && checkpoint.files.tensors.get(info.name) === info)
        layouts.set(info.name, tensor.dtype);
      else plain.add(info.name);
    }
  }
  for (const name of plain) layouts.delete(name);
  return layouts;
}

/** One tensor as i8 [groups of 8 rows, bytes], packed as it is read. */
function packing(engine: Engine, files: TensorFiles, info: TensorInfo, layout: DType): { files: TensorFiles; packed: TensorInfo } {
  const rows = info.shape[0]!;
  const cols = info.shape.slice(1).reduce((a, b) => a * b, 1);
  const groupBytes = byteSize(layout, [PACK_ROWS, cols]);
  const groups = Math.ceil(rows / PACK_ROWS);
  const packed: TensorInfo = { name: info.name, type: 'i8', shape: [groups, groupBytes], bytes: groups * groupBytes };
  const memory = engine.memories[0]!;
  return {
    packed,
    files: {
      name: files.name,
      tensors: new Map([[info.name, packed]]),
      async readInto(_, target, from = 0) {
        const first = (from / groupBytes) * PACK_ROWS;
        const count = Math.min(rows - first, (target.length / groupBytes) * PACK_ROWS);
        const some = withViews(files, [{ name: info.name, of: info.name, from: first, count }]);
        const to = fixedTensor(info.name, layout, [Math.ceil(count / PACK_ROWS) * PACK_ROWS, cols]);
        const at = memory.address(to.storage);
        await packRows(memory, to, some, some.tensors.get(info.name)!, 0, () => {});
        target.set(memory.bytes.subarray(at, at + target.length));
        memory.release(to.storage);
      },
      close: () => files.close(),
    },
  };
}
