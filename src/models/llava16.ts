// LLaVA-1.6 "anyres" (Liu et al. 2024): the picture in tiles of the best fitting grid, and once more as a whole.
//
//   flat           [base rows; rows of every tile]
//   spatial        [base rows; rows of the grid, row-major over all tiles]
//   spatial_unpad  the same without the padding, and `image_newline` at the end of every grid row

import { UnsupportedError } from '../errors.ts';
import { Weights } from '../graph/weights.ts';
import { preprocessAnyres, readPinpoints, unpadded } from '../image/anyres.ts';
import { preprocessing, type Size } from '../image/preprocess.ts';
import { concat } from './concat.ts';
import { openDecoder, openTower, type Tower } from './llava15.ts';
import type { Checkpoint, ImageEncoder, ModelDefinition } from './model.ts';

const MERGES = ['flat', 'spatial', 'spatial_unpad'];

export const llava16: ModelDefinition = {
  name: 'llava-1.6',
  open(checkpoint, options) {
    const weights = Weights.over(checkpoint.files, options);
    const decoder = openDecoder(weights, checkpoint.config, options);
    return {
      name: 'llava-1.6',
      weights: [weights],
      needsAllRows: 'its tiles are put together as one grid',
      decoder,
      ...(checkpoint.vision && { encoder: tiled(weights, openTower(weights, checkpoint), checkpoint) }),
    };
  },
};

function tiled(weights: Weights, tower: Tower, { config, vision }: Checkpoint): ImageEncoder {
  const settings = preprocessing(vision!.preprocessor.values, 'square', vision!.preprocessor.where);
  const merge = config.string('mm_patch_merge_type', 'flat');
  if (!MERGES.includes(merge))
    throw new UnsupportedError(`${config.where}: mm_patch_merge_type: got ${merge}, expected one of ${MERGES.join(', ')}`);
  // HF-native files have [height, width] pairs in their preprocessor settings.
  const own = config.values.image_grid_pinpoints;
  const native = config.string('image_grid_order', 'width-first') === 'height-first';
  const pinpoints = readPinpoints(own, native ? 'height-first' : 'width-first', `${config.where}: image_grid_pinpoints`);
  let newline: Float32Array | undefined;
  return {
    prepare: tower.prepare,
    async encode(programs, image, options) {
      const pixels = await preprocessAnyres(image, settings, pinpoints, programs.engine);
      const size = 3 * pixels.width * pixels.height;
      const tiles = Array.from({ length: pixels.tiles }, (_, i) => pixels.data.subarray(i * size, (i + 1) * size));
      const features = await tower.run(programs, tiles, options);
      if (merge === 'spatial_unpad') newline ??= await weights.values('model.image_newline', tower.hidden);
      const rows = merge === 'flat' ? concat(features) : merged(features, tower, pixels.grid, image, newline);
      return { features: rows, rows: rows.length / tower.hidden };
    },
  };
}

/** Base rows, then the grid's rows: with `newline` unpadded to the picture's proportions and one newline row after each grid row. */
function merged(
  [base, ...tiles]: readonly Float32Array[],
  { side, hidden }: Tower,
  grid: Size,
  image: Size,
  newline: Float32Array | undefined,
): Float32Array {
  const all = { width: grid.width * side, height: grid.height * side };
  const { left, top, width, height } = newline ? unpadded(image, all) : { left: 0, top: 0, ...all };
  const parts = [base!];
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) {
      const tile = tiles[Math.floor(y / side) * grid.width + Math.floor(x / side)]!;
      const row = (y % side) * side + (x % side);
      parts.push(tile.subarray(row * hidden, (row + 1) * hidden));
    }
    if (newline) parts.push(newline);
  }
  return concat(parts);
}
