// Checking radiology reports for errors with several models (Wu et al. 2023): what an answer says, and the vote of all members.
//
// SIMPLE asks whether a report has an error, COMPLEX which kind. Models answer in their own words: rules read them, and answers that no rule reads
// are null, which counts as "no" or "none" in scores.

export type Simple = 'yes' | 'no';
export const ERROR_TYPES = ['none', 'insert', 'remove', 'substitute'] as const;
export type ErrorType = (typeof ERROR_TYPES)[number];

const NEGATIONS = new Set(['no', 'not', "doesn't", "isn't", 'cannot', "don't"]);

/** Does the answer say that the report has an error? Its first word decides, else its first sentence. */
export function parseSimple(answer: string): Simple | null {
  const text = answer.trim().toLowerCase();
  const word = /[a-z]+/.exec(text)?.[0];
  if (word === 'yes' || word === 'no') return word;
  const first = text.split(/[.\n]/, 1)[0]!;
  const negated = (first.match(/[a-z']+/g) ?? []).some((w) => NEGATIONS.has(w));
  if (/\b(inconsistent|incorrect|mismatch|error|errors|wrong)\b/.test(first)) return negated ? 'no' : 'yes';
  if (/\b(consistent|correct|accurate|matches|match)\b/.test(first)) return negated ? 'yes' : 'no';
  return null;
}

const KINDS: readonly (readonly [ErrorType, RegExp])[] = [
  ['insert', /\binsert\w*\b/],
  ['remove', /\b(remov\w*|omit\w*|omiss\w*|missing)\b/],
  ['substitute', /\b(substitut\w*|replac\w*)\b/],
  ['none', /\b(no error|no errors|none|correct)\b/],
];

/** Which kind of error does the answer name? A letter in front decides, else the kind that is named first. */
export function parseComplex(answer: string): ErrorType | null {
  const text = answer.trim().toLowerCase();
  const [, marked, alone] = /^\(?([a-d])[).:]|^\(?([a-d])\)?$/.exec(text) ?? [];
  const letter = marked ?? alone;
  if (letter !== undefined) return ERROR_TYPES['abcd'.indexOf(letter)]!;
  const found = KINDS.map(([kind, pattern]) => ({ kind, at: text.search(pattern) })).filter(({ at }) => at >= 0);
  return found.toSorted((a, b) => a.at - b.at)[0]?.kind ?? null;
}

/** A member's answer; members stand in order of priority. */
export interface Ballot<T extends string> {
  readonly answer: T | null;
  /** Default 1. */
  readonly weight?: number;
}

/** The answer with the most weight; of equal ones, that of the first member who gave one of them. `otherwise` where nobody answered. */
export function vote<T extends string>(ballots: readonly Ballot<T>[], otherwise: T): T {
  const weights = new Map<T, number>();
  for (const { answer, weight = 1 } of ballots) if (answer !== null) weights.set(answer, (weights.get(answer) ?? 0) + weight);
  const most = Math.max(...weights.values());
  return ballots.find(({ answer }) => answer !== null && weights.get(answer) === most)?.answer ?? otherwise;
}

/** Precision, recall and F1 of one class; 0 where undefined. */
export interface ClassScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** SIMPLE: "yes" is positive. */
export interface SimpleScore extends ClassScore {
  readonly accuracy: number;
  readonly tp: number;
  readonly fp: number;
  readonly tn: number;
  readonly fn: number;
}

/** COMPLEX, over four classes. */
export interface ComplexScore {
  readonly accuracy: number;
  /** `support`: items of that kind. */
  readonly perType: Readonly<Record<ErrorType, ClassScore & { readonly support: number }>>;
  /** Mean of the classes' F1. */
  readonly macroF1: number;
  /** Items by their kind (row) and the answer (column), in the order of ERROR_TYPES. */
  readonly confusion: readonly (readonly number[])[];
}

const over = (a: number, b: number): number => (b === 0 ? 0 : a / b);

function classScore(tp: number, fp: number, fn: number): ClassScore {
  const precision = over(tp, tp + fp);
  const recall = over(tp, tp + fn);
  return { precision, recall, f1: over(2 * precision * recall, precision + recall) };
}

/** Scores answers against the kinds of error that the items have, item by item. */
export function scoreSimple(gold: readonly ErrorType[], answers: readonly (Simple | null)[]): SimpleScore {
  const count = (has: boolean, said: boolean) => gold.filter((g, i) => (g !== 'none') === has && (answers[i] === 'yes') === said).length;
  const [tp, fp, tn, fn] = [count(true, true), count(false, true), count(false, false), count(true, false)];
  return { accuracy: over(tp + tn, gold.length), ...classScore(tp, fp, fn), tp, fp, tn, fn };
}

/** The same for COMPLEX. */
export function scoreComplex(gold: readonly ErrorType[], answers: readonly (ErrorType | null)[]): ComplexScore {
  const confusion = ERROR_TYPES.map((kind) =>
    ERROR_TYPES.map((said) => gold.filter((g, i) => g === kind && (answers[i] ?? 'none') === said).length),
  );
  const total = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
  const scores = ERROR_TYPES.map((_, k) => {
    const tp = confusion[k]![k]!;
    const support = total(confusion[k]!);
    return { ...classScore(tp, total(confusion.map((row) => row[k]!)) - tp, support - tp), support };
  });
  return {
    accuracy: over(total(ERROR_TYPES.map((_, k) => confusion[k]![k]!)), gold.length),
    perType: Object.fromEntries(ERROR_TYPES.map((kind, k) => [kind, scores[k]!])) as ComplexScore['perType'],
    macroF1: total(scores.map((s) => s.f1)) / scores.length,
    confusion,
  };
}
