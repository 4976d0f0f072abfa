// Fewer picture rows for any checkpoint, without training: the options of all methods.

import { InputError } from '../errors.ts';

/** What to drop, by method. Tower methods look at the picture alone, FastV also at the question. */
export type Pruning =
  /** From layer k on only the share 1 - r of a picture's rows goes on, those that the last row attends to (Chen et al. 2024). */
  | {
      readonly method: 'fastv';
      /** Default 2; at least 1. */
      readonly k?: number;
      /** Share of rows that is dropped, default 0.5. */
      readonly r?: number;
      /** Rows that stay, in place of `r`. */
      readonly keep?: number;
      /** false: every token runs the whole sequence again and ranks the rows anew. Default true. */
      readonly cache?: boolean;
    }
  /** The rows that the class row attends to, and clusters of the others (Yang et al. 2024). Defaults 54 (with the class row) and 10. */
  | { readonly method: 'visionzip'; readonly dominant?: number; readonly contextual?: number }
  /** The outliers of the class row's attention, each with its `neighbours` (default 32) nearest; `-plus`: and samples in between (Shang et al. 2024). */
  | { readonly method: 'prumerge' | 'prumerge-plus'; readonly neighbours?: number }
  /** Each layer of the tower merges the r most similar pairs of rows (Bolya et al. 2022). Default 8. */
  | { readonly method: 'tome'; readonly r?: number };

export type TowerPruning = Exclude<Pruning, { readonly method: 'fastv' }>;

export const isTowerPruning = (p: Pruning | undefined): p is TowerPruning => p !== undefined && p.method !== 'fastv';

/** Rows that FastV keeps of n: the even one of two nearest integers, as the reference's `round`. */
export function fastvKeeps(n: number, { r = 0.5, keep }: { readonly r?: number; readonly keep?: number }): number {
  if (keep !== undefined) return Math.min(n, keep);
  const x = n * (1 - r);
  const floor = Math.floor(x);
  const up = x - floor > 0.5 || (x - floor === 0.5 && floor % 2 === 1);
  return up ? floor + 1 : floor;
}

/** Does the method find its own number of rows, picture by picture? */
export const adaptive = ({ method }: Pruning): boolean => method === 'prumerge' || method === 'prumerge-plus';

/**
 * The method with numbers such that about `share` of a picture's rows go on: of a tower with so many patches, of whose layers so many run.
 * VisionZip keeps its ratio of 54 dominant to 10 contextual rows. Throws InputError.
 */
export function pruningAt(
  prune: Pruning,
  share: number,
  { patches, layers }: { readonly patches: number; readonly layers: number },
): Pruning {
  if (!(share > 0 && share <= 1)) throw new InputError(`keep: must be a share above 0, 1 at most: got ${share}`);
  const rows = Math.max(2, Math.round(share * patches));
  switch (prune.method) {
    case 'fastv':
      return { ...prune, r: 1 - share };
    case 'visionzip': {
      const contextual = Math.max(1, Math.round((rows * 10) / 64));
      return { ...prune, dominant: rows - contextual, contextual };
    }
    case 'tome':
      return { ...prune, r: Math.max(1, Math.round((patches - rows) / layers)) };
    default:
      throw new InputError(`keep: ${prune.method} finds its own number of rows: leave the share out`);
  }
}

/** What `--prune` takes: `fastv:2:0.5`, `visionzip:54:10`, `prumerge`, `prumerge-plus:32`, `tome:8`. Throws InputError. */
export function parsePruning(text: string): Pruning {
  const [method, ...rest] = text.split(':');
  const [a, b] = rest.map((part) => {
    const n = Number(part);
    if (part === '' || !Number.isFinite(n)) throw new InputError(`prune: ${text}: numbers are expected after the method: got ${part}`);
    return n;
  });
  if (rest.length > 2) throw new InputError(`prune: ${text}: at most two numbers are expected: got ${rest.length}`);
  switch (method) {
    case 'fastv':
      return { method, ...(a !== undefined && { k: a }), ...(b !== undefined && { r: b }) };
    case 'visionzip':
      return { method, ...(a !== undefined && { dominant: a }), ...(b !== undefined && { contextual: b }) };
    case 'prumerge':
    case 'prumerge-plus':
      return { method, ...(a !== undefined && { neighbours: a }) };
    case 'tome':
      return { method, ...(a !== undefined && { r: a }) };
    default:
      throw new InputError(`prune: got ${text}, expected fastv:K:R, visionzip:DOMINANT:CONTEXTUAL, prumerge, prumerge-plus or tome:R`);
  }
}
