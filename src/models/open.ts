// From what the user names to a checkpoint: a GGUF file (with an mmproj or without), or a hub directory.

import { InputError, UnsupportedError } from '../errors.ts';
import type { GgufFile } from '../formats/gguf.ts';
import { openGguf, openGgufParts } from '../formats/gguf.ts';
import type { SourceInput } from '../formats/openSource.ts';
import type { Folder } from '../formats/source.ts';
import type { Download, Opened, Platform } from '../runtime/platform.ts';
import type { Checkpoint } from './model.ts';

/** A model or a part of one: a path or URL, the bytes of a GGUF file, or anything that can be read by range (a Blob, a ByteSource). */
export type ModelSource = SourceInput;

export interface CheckpointOptions extends Download {
  /** Projector file of a llama.cpp pair. */
  readonly mmproj?: ModelSource;
  /** Directory of the vision tower, for hub checkpoints without one inside. */
  readonly tower?: string;
  /** Directory of a LoRA adapter or of a projector of its own, laid over the model. */
  readonly adapter?: string;
}

/** URLs go the way of their text: through the platform's cache, or to its files. */
const named = (platform: Platform, source: ModelSource): ModelSource =>
  source instanceof URL && (/^https?:$/.test(source.protocol) || (platform.readFile && source.protocol === 'file:')) ? source.href : source;

export async function openCheckpointFrom(platform: Platform, source: ModelSource, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const model = named(platform, source);
  if (typeof model === 'string') {
    const opened = await platform.open(model, options);
    if (opened.kind === 'folder') {
      if (!platform.openHub) throw new UnsupportedError(`${model}: is a directory: the platform ${platform.name} opens files only`);
      const tower = await openFolder(platform, options, options.tower, 'tower: is a file: a directory with config.json is expected');
      const adapter = await openFolder(
        platform,
        options,
        options.adapter,
        'adapter: is a file: a directory with adapter_config.json is expected',
      );
      return platform.openHub(opened.folder, { tower, adapter });
    }
    const file = await openGgufOf(opened);
    try {
      return await ggufCheckpoint(file, await openProjector(platform, opened, options));
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  const file = await openFile(platform, model, options);
  return ggufCheckpoint(file, options.mmproj === undefined ? undefined : await openFile(platform, options.mmproj, options));
}

/** Files of ours say all themselves; llama.cpp's keys are read by other code. */
async function ggufCheckpoint(file: GgufFile, mmproj?: GgufFile): Promise<Checkpoint> {
  const { isOwn, openOwn } = await import('./ownLayout.ts');
  return isOwn(file) ? openOwn(file) : (await import('./ggufLayout.ts')).openGgufPair(file, mmproj);
}

async function openFolder(
  platform: Platform,
  download: Download,
  path: string | undefined,
  otherwise: string,
): Promise<Folder | undefined> {
  if (path === undefined) return undefined;
  const opened = await platform.open(path, download);
  if (opened.kind === 'folder') return opened.folder;
  await opened.source.close();
  throw new InputError(`${path}: ${otherwise}`);
}

/** The projector file that the user names, else the one that lies beside the model on the hub. */
async function openProjector(platform: Platform, model: OpenedFile, options: CheckpointOptions): Promise<GgufFile | undefined> {
  if (options.mmproj !== undefined) return openFile(platform, options.mmproj, options);
  return model.mmproj === undefined ? undefined : openGguf(await model.folder.open(model.mmproj));
}

async function openFile(platform: Platform, model: ModelSource, download: Download): Promise<GgufFile> {
  const path = named(platform, model);
  if (typeof path !== 'string') {
    const { openSource } = await import('../formats/openSource.ts');
    return openGguf(await openSource(path));
  }
  const opened = await platform.open(path, download);
  if (opened.kind === 'folder') throw new InputError(`${path}: is a directory: a GGUF file is expected here`);
  return openGgufOf(opened);
}

type OpenedFile = Extract<Opened, { kind: 'file' }>;

async function openGgufOf({ source, folder, file }: OpenedFile): Promise<GgufFile> {
  if (!/-\d{5}-of-\d{5}\.gguf$/.test(file)) return openGguf(source);
  await source.close();
  return openGgufParts(folder, file);
}
