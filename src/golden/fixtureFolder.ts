// Fixtures whose tower has no repository of its own: its config stands in case.json.

import { bufferSource, type Folder } from '../formats/source.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import type { GoldenCase } from './compare.ts';

/** The case's folder with a `vision_tower` in it, made of params.vision_config and params.image_processor. */
export function fixtureFolder(dir: string, { params }: GoldenCase): Folder {
  const folder = localFolder(dir);
  const files: Readonly<Record<string, unknown>> = {
    'config.json': params.vision_config,
    // The filter stands there by name; preprocessor_config.json has Pillow's number.
    'preprocessor_config.json': { ...(params.image_processor as object | undefined), resample: 3 },
  };
  const tower: Folder = {
    name: `${dir}/vision_tower`,
    list: async () => Object.keys(files),
    open: async (file) => bufferSource(new TextEncoder().encode(JSON.stringify(files[file])), file),
    folder: async () => null,
  };
  return { ...folder, folder: async (path) => (path === 'vision_tower' ? tower : folder.folder(path)) };
}
