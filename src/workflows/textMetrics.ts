// How near a text is to its reference: ROUGE (Lin 2004) and BLEU (Papineni et al. 2002), as report generation is scored.

import { InputError } from '../errors.ts';

/** A generated text and what a person wrote. */
export interface TextPair {
  readonly prediction: string;
  readonly reference: string;
}

/** F-measures of one pair, 0 to 1. */
export interface Rouge {
  readonly rouge1: number;
  readonly rouge2: number;
  readonly rougeL: number;
}

/** Words of ROUGE: runs of ASCII letters and digits in lower case, unstemmed. */
export const rougeWords = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** ROUGE-1, -2 (clipped n-gram overlap) and -L (longest common subsequence). */
export function rouge({ prediction, reference }: TextPair): Rouge {
  const a = rougeWords(prediction);
  const b = rougeWords(reference);
  const byOverlap = (n: number) => {
    const [x, y] = [ngrams(a, n), ngrams(b, n)];
    return fMeasure(clipped(x, y), sum(x), sum(y));
  };
  return { rouge1: byOverlap(1), rouge2: byOverlap(2), rougeL: fMeasure(commonLength(a, b), a.length, b.length) };
}

/** Mean of each measure over the pairs. Throws InputError without pairs. */
export function corpusRouge(pairs: readonly TextPair[]): Rouge {
  if (pairs.length === 0) throw new InputError('rouge: has no pairs: got 0, at least one is expected');
  const all = pairs.map(rouge);
  const mean = (key: keyof Rouge) => all.reduce((total, r) => total + r[key], 0) / all.length;
  return { rouge1: mean('rouge1'), rouge2: mean('rouge2'), rougeL: mean('rougeL') };
}

/** What surrounds the marks that stand alone: brackets, signs, quotes, but no full stop, comma, hyphen or apostrophe. */
const MARKS = /([{-~[-` -&(-+:-@/])/g;

/** Tokens of the mteval script's rule "13a", with which BLEU figures are made. */
export function tokens13a(text: string): string[] {
  const line = text
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return ` ${line} `
    .replace(MARKS, ' $1 ')
    .replace(/([^0-9])([.,])/g, '$1 $2 ')
    .replace(/([.,])([^0-9])/g, ' $1 $2')
    .replace(/([0-9])(-)/g, '$1 $2 ')
    .split(/\s+/)
    .filter((token) => token !== '');
}

export interface Bleu {
  /** 0 to 1. */
  readonly bleu: number;
  /** Clipped precision of n-grams of 1, 2, ... words, over the whole corpus. */
  readonly precisions: readonly number[];
  /** Tokens of all predictions by those of all references. */
  readonly lengthRatio: number;
}

/**
 * BLEU of a corpus with one reference each, of n-grams up to `order`. Without smoothing it is 0 where no n-gram of some order is found;
 * with `exp`, the k-th such order counts as 1 / 2^k matches (sacrebleu's default).
 */
export function bleu(pairs: readonly TextPair[], order: number, smoothing: 'none' | 'exp' = 'none'): Bleu {
  const matches = new Array<number>(order).fill(0);
  const totals = new Array<number>(order).fill(0);
  let [predicted, wanted] = [0, 0];
  for (const { prediction, reference } of pairs) {
    const [a, b] = [tokens13a(prediction), tokens13a(reference)];
    predicted += a.length;
    wanted += b.length;
    for (let n = 1; n <= order; n++) {
      const x = ngrams(a, n);
      matches[n - 1]! += clipped(x, ngrams(b, n));
      totals[n - 1]! += sum(x);
    }
  }
  let halving = 1;
  const precisions = matches.map((m, i) => {
    if (totals[i] === 0) return 0;
    if (m > 0 || smoothing === 'none') return m / totals[i]!;
    halving *= 2;
    return 1 / (halving * totals[i]!);
  });
  const lengthRatio = wanted === 0 ? 0 : predicted / wanted;
  const brevity = lengthRatio > 1 ? 1 : lengthRatio === 0 ? 0 : Math.exp(1 - 1 / lengthRatio);
  const score = precisions.includes(0) ? 0 : brevity * Math.exp(precisions.reduce((total, p) => total + Math.log(p), 0) / order);
  return { bleu: score, precisions, lengthRatio };
}

/** How often each run of n tokens occurs. */
function ngrams(tokens: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= tokens.length; i++) {
    // Tokens have no spaces.
    const key = tokens.slice(i, i + n).join(' ');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);

const clipped = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number =>
  [...a].reduce((total, [key, n]) => total + Math.min(n, b.get(key) ?? 0), 0);

function fMeasure(overlap: number, predicted: number, wanted: number): number {
  if (overlap === 0) return 0;
  const [p, r] = [overlap / predicted, overlap / wanted];
  return (2 * p * r) / (p + r);
}

/** Length of the longest common subsequence, one row of the table at a time. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  let row = new Uint32Array(b.length + 1);
  for (const x of a) {
    const next = new Uint32Array(b.length + 1);
    for (let j = 0; j < b.length; j++) next[j + 1] = x === b[j] ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!);
    row = next;
  }
  return row[b.length]!;
}
