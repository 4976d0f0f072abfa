// What a model thinks of a given answer: log-probabilities of its tokens, distance from a teacher (LLaVA-MoD's mimic distillation, Shu et al.
// 2024), and whether it prefers the better of two answers more than a reference does (DPO, Rafailov et al. 2023). Sums are float64.

import { InputError } from '../errors.ts';

/** Label of a row that nobody predicts on purpose. */
export const IGNORED = -100;

/** Logits of all rows of a sequence, f32 [rows, vocabulary]: row i predicts row i + 1. */
export interface Logits {
  readonly data: Float32Array;
  readonly vocabulary: number;
}

/** Log-probability of each labelled row's id, in order, from the row before it. `labels`: ids or IGNORED, one a row. */
export function tokenLogProbs({ data, vocabulary }: Logits, labels: ArrayLike<number>): number[] {
  // One label more than rows is fine: the last row predicts it.
  if (labels.length !== data.length / vocabulary + 1) checkRows(data, vocabulary, labels.length);
  const out: number[] = [];
  for (let t = 1; t < labels.length; t++) {
    if (labels[t] === IGNORED) continue;
    const row = data.subarray((t - 1) * vocabulary, t * vocabulary);
    out.push(row[labels[t]!]! - logSum(row));
  }
  return out;
}

/** Teacher and student at each row, over the ids that both have: logits are cut to these, then made probabilities again. */
export interface Divergence {
  /** KL(teacher || student). */
  readonly klTeacherStudent: Float64Array;
  /** KL(student || teacher). */
  readonly klStudentTeacher: Float64Array;
  /** -sum p_teacher log p_student. */
  readonly crossEntropy: Float64Array;
  readonly teacherEntropy: Float64Array;
}

/** Compares two models' logits of one sequence. Throws InputError when the rows differ. */
export function divergence(student: Logits, teacher: Logits): Divergence {
  const rows = student.data.length / student.vocabulary;
  checkRows(teacher.data, teacher.vocabulary, rows);
  const common = Math.min(student.vocabulary, teacher.vocabulary);
  const result = {
    klTeacherStudent: new Float64Array(rows),
    klStudentTeacher: new Float64Array(rows),
    crossEntropy: new Float64Array(rows),
    teacherEntropy: new Float64Array(rows),
  };
  for (let r = 0; r < rows; r++) {
    const s = student.data.subarray(r * student.vocabulary, r * student.vocabulary + common);
    const t = teacher.data.subarray(r * teacher.vocabulary, r * teacher.vocabulary + common);
    const sumS = logSum(s);
    const sumT = logSum(t);
    for (let i = 0; i < common; i++) {
      const logS = s[i]! - sumS;
      const logT = t[i]! - sumT;
      const pT = Math.exp(logT);
      // What the student rules out counts as nothing, not as infinity; p log p is 0 where p is.
      if (logS !== -Infinity) {
        result.crossEntropy[r]! -= pT * logS;
        if (logT !== -Infinity) result.klStudentTeacher[r]! += Math.exp(logS) * (logS - logT);
      }
      if (logT !== -Infinity) result.teacherEntropy[r]! -= pT * logT;
    }
    result.klTeacherStudent[r] = result.crossEntropy[r]! - result.teacherEntropy[r]!;
  }
  return result;
}

/** Which rows a mean is taken over. `response`: rows at answer tokens, as LLaVA-MoD trains; `next`: rows that predict them; `all`. */
export type ScoredRows = 'response' | 'next' | 'all';

/** Mean of one value a row over the chosen rows; NaN over none. */
export function meanOver(values: ArrayLike<number>, labels: ArrayLike<number>, which: ScoredRows): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < labels.length; i++) {
    const label = which === 'next' ? (labels[i + 1] ?? IGNORED) : labels[i];
    if (which !== 'all' && label === IGNORED) continue;
    sum += values[i]!;
    count++;
  }
  return sum / count;
}

/** A scored sequence with the logits of all its rows. */
export interface ScoredSequence extends Logits {
  /** Token ids, -200 where a picture stands. */
  readonly ids: readonly number[];
  /** One a row: the id of an answer's token, or IGNORED. */
  readonly labels: readonly number[];
}

/** How far a student is from its teacher over one answer: means over rows that predict its tokens, unless said otherwise. Natural logarithms. */
export interface Distance {
  /** Cross entropy over the rows at the answer's tokens, as LLaVA-MoD trains (mimic distillation), and over all rows. */
  readonly alignLoss: number;
  readonly alignLossAll: number;
  readonly klTeacherStudent: number;
  readonly klStudentTeacher: number;
  readonly crossEntropy: number;
  readonly teacherEntropy: number;
}

/** Throws InputError when the two saw different tokens or numbers of rows. */
export function distance(student: ScoredSequence, teacher: ScoredSequence): Distance {
  const at = student.ids.findIndex((id, i) => id !== teacher.ids[i]);
  if (at >= 0 || student.ids.length !== teacher.ids.length)
    throw new InputError(
      `score: the two models have other tokens: got ${student.ids.length} and ${teacher.ids.length}, first apart at ${at}: equal tokenizers and templates are expected`,
    );
  const d = divergence(student, teacher);
  const next = (values: Float64Array) => meanOver(values, student.labels, 'next');
  return {
    alignLoss: meanOver(d.crossEntropy, student.labels, 'response'),
    alignLossAll: meanOver(d.crossEntropy, student.labels, 'all'),
    klTeacherStudent: next(d.klTeacherStudent),
    klStudentTeacher: next(d.klStudentTeacher),
    crossEntropy: next(d.crossEntropy),
    teacherEntropy: next(d.teacherEntropy),
  };
}

/** Summed log-probabilities of the better and the worse answer. */
export interface Preference {
  readonly chosen: number;
  readonly rejected: number;
}

export interface Dpo {
  readonly rewardChosen: number;
  readonly rewardRejected: number;
  readonly margin: number;
  readonly accurate: boolean;
  readonly loss: {
    readonly sigmoid: number;
    readonly hinge: number;
    readonly ipo: number;
    readonly ktoPair: readonly [chosen: number, rejected: number];
  };
}

/** DPO's rewards and losses of one pair. Without a reference its log-probabilities count as 0. `smoothing`: share of pairs thought to be swapped. */
export function dpo(policy: Preference, reference: Preference = { chosen: 0, rejected: 0 }, beta = 0.1, smoothing = 0): Dpo {
  const chosen = policy.chosen - reference.chosen;
  const rejected = policy.rejected - reference.rejected;
  const h = chosen - rejected;
  // The mean over a batch of one pair.
  const klChosen = Math.max(chosen, 0);
  const klRejected = Math.max(rejected, 0);
  return {
    rewardChosen: beta * chosen,
    rewardRejected: beta * rejected,
    margin: beta * h,
    accurate: h > 0,
    loss: {
      sigmoid: softplus(-beta * h) * (1 - smoothing) + softplus(beta * h) * smoothing,
      hinge: Math.max(0, 1 - beta * h),
      ipo: (h - 1 / (2 * beta)) ** 2,
      ktoPair: [1 - sigmoid(beta * (chosen - klRejected)), 1 - sigmoid(beta * (klChosen - rejected))],
    },
  };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** -log sigmoid(-x). */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** log sum exp. */
function logSum(row: Float32Array): number {
  let most = -Infinity;
  for (const x of row) if (x > most) most = x;
  let sum = 0;
  for (const x of row) sum += Math.exp(x - most);
  return most + Math.log(sum);
}

function checkRows(data: Float32Array, vocabulary: number, rows: number): void {
  if (data.length !== rows * vocabulary)
    throw new InputError(`score: logits of another sequence: got ${data.length / vocabulary} rows, expected ${rows}`);
}
