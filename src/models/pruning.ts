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
