// From what the user names to a checkpoint: a GGUF file (with an mmproj or without), or a hub directory.

import { InputError } from '../errors.ts';
import type { GgufFile } from '../formats/gguf.ts';
import { openGguf, openGgufParts } from '../formats/gguf.ts';
import { openSource, type SourceInput } from '../formats/openSource.ts';
import type { Folder } from '../formats/source.ts';
import type { Platform } from '../runtime/platform.ts';
import { openGgufPair } from './ggufLayout.ts';
import { openHubFolder } from './hubLayout.ts';
import type { Checkpoint } from './model.ts';

/** A model or a part of one: a path or URL, the bytes of a GGUF file, or anything that can be read by range (a Blob, a ByteSource). */
export type ModelSource = SourceInput;

export interface CheckpointOptions {
  /** Projector file of a llama.cpp pair. */
  readonly mmproj?: ModelSource;
  /** Directory of the vision tower, for hub checkpoints without one inside. */
  readonly tower?: string;
  /** Directory of a LoRA adapter or of a projector of its own, laid over the model. */
  readonly adapter?: string;
}

export async function openCheckpointFrom(platform: Platform, model: ModelSource, options: CheckpointOptions = {}): Promise<Checkpoint> {
  if (typeof model === 'string') {
    const opened = await platform.open(model);
    if (opened.kind === 'folder') {
      const tower = await openFolder(platform, options.tower, 'tower: is a file: a directory with config.json is expected');
      const adapter = await openFolder(platform, options.adapter, 'adapter: is a file: a directory with adapter_config.json is expected');
      return openHubFolder(opened.folder, { tower, adapter });
    }
    await opened.source.close();
  }
  const file = await openFile(platform, model);
  return openGgufPair(file, options.mmproj === undefined ? undefined : await openFile(platform, options.mmproj));
}

async function openFolder(platform: Platform, path: string | undefined, otherwise: string): Promise<Folder | undefined> {
  if (path === undefined) return undefined;
  const opened = await platform.open(path);
  if (opened.kind === 'folder') return opened.folder;
  await opened.source.close();
  throw new InputError(`${path}: ${otherwise}`);
}

async function openFile(platform: Platform, model: ModelSource): Promise<GgufFile> {
  if (typeof model !== 'string') return openGguf(await openSource(model));
  const opened = await platform.open(model);
  if (opened.kind === 'folder') throw new InputError(`${model}: is a directory: a GGUF file is expected here`);
  if (/-\d{5}-of-\d{5}\.gguf$/.test(opened.file)) {
    await opened.source.close();
    return openGgufParts(opened.folder, opened.file);
  }
  return openGguf(opened.source);
}
