// Prompts row by row: what stands in each place of a sequence.

import { InputError } from '../errors.ts';

/** Rows of one picture. Two pieces are the same picture when they are the same object or have the same key. */
export interface ImageRows {
  readonly key: string;
  /** f32 [rows, hidden]. */
  readonly features: Float32Array;
  readonly rows: number;
}

/** A prompt: token ids and pictures in order. */
export type Piece = number | ImageRows;

/** One row of the cache: a token id, or row `row` of a picture. */
export interface Row {
  readonly id: number;
  readonly image?: ImageRows;
  readonly row?: number;
}

/** Do the rows stand for the same? */
export const same = (a: Row, b: Row): boolean => a.id === b.id && a.row === b.row && a.image?.key === b.image?.key;

/** The rows of a prompt. Throws InputError for ids outside the vocabulary, pictures of another width, and an empty prompt. */
export function rowsOf(prompt: readonly Piece[], { vocabulary, hidden }: { readonly vocabulary: number; readonly hidden: number }): Row[] {
  const rows: Row[] = [];
  for (const p of prompt) {
    if (typeof p === 'number') {
      if (!Number.isInteger(p) || p < 0 || p >= vocabulary)
        throw new InputError(
          `prompt: token id outside the vocabulary: got ${p}, expected 0..${vocabulary - 1}: is the tokenizer this model's?`,
        );
      rows.push({ id: p });
    } else {
      if (p.features.length !== p.rows * hidden) {
        throw new InputError(`prompt: picture rows of another width: got ${p.features.length} values for ${p.rows} rows of ${hidden}`);
      }
      for (let row = 0; row < p.rows; row++) rows.push({ id: -1, image: p, row });
    }
  }
  if (!rows.length) throw new InputError('prompt: is empty: give at least one token or picture');
  return rows;
}

/** f32 [rows, hidden] with the pictures' rows in place. */
export function hiddenRows(rows: readonly Row[], hidden: number): Float32Array {
  const out = new Float32Array(rows.length * hidden);
  rows.forEach((r, i) => {
    if (r.image) out.set(r.image.features.subarray(r.row! * hidden, (r.row! + 1) * hidden), i * hidden);
  });
  return out;
}
