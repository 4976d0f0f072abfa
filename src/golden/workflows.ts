// Workflows without a model: text metrics of reports, and the error check's parsing, votes and scores.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorType, parseComplex, parseSimple, type Simple, scoreComplex, scoreSimple, vote } from '../workflows/errorCheck.ts';
import { bleu, corpusRouge, rouge, tokens13a } from '../workflows/textMetrics.ts';
import { assertSame, Mismatch, readCase } from './compare.ts';
import type { CaseRunner } from './runner.ts';

const SYSTEM = 'llava-1.5-derived';

/** Every number of `want` within `tolerance` in `got`, whatever the nesting. */
function near(name: string, got: unknown, want: unknown, tolerance: number): void {
  if (typeof want === 'object' && want !== null) {
    for (const [key, value] of Object.entries(want)) near(`${name}.${key}`, (got as Record<string, unknown>)?.[key], value, tolerance);
  } else if (typeof got !== 'number' || !(Math.abs(got - (want as number)) <= tolerance)) {
    throw new Mismatch(`${name}: got ${String(got)}, want ${String(want)}`);
  }
}

interface Pair {
  readonly prediction: string;
  readonly reference: string;
  readonly tokens_13a_prediction: readonly string[];
  readonly tokens_13a_reference: readonly string[];
  readonly rouge1: number;
  readonly rouge2: number;
  readonly rougeL: number;
}

const metrics: CaseRunner = {
  matches: (system, name) => system === SYSTEM && name === 'workflow-report-metrics',
  async run(dir) {
    const { pairs, corpus } = JSON.parse(readFileSync(join(dir, 'metrics.json'), 'utf8')) as {
      pairs: readonly Pair[];
      corpus: Readonly<Record<string, unknown>>;
    };
    for (const [i, pair] of pairs.entries()) {
      assertSame(`pair ${i}: prediction`, tokens13a(pair.prediction), pair.tokens_13a_prediction);
      assertSame(`pair ${i}: reference`, tokens13a(pair.reference), pair.tokens_13a_reference);
      const { rouge1, rouge2, rougeL } = pair;
      near(`pair ${i}`, rouge(pair), { rouge1, rouge2, rougeL }, 1e-9);
    }
    const [one, four] = [bleu(pairs, 1), bleu(pairs, 4)];
    const { sacrebleu_bleu1_score_0_100: score1, sacrebleu_bleu4_score_0_100: score4, ...fractions } = corpus;
    const got = {
      ...corpusRouge(pairs),
      bleu1: one.bleu,
      bleu4: four.bleu,
      bleu4_precisions: four.precisions,
      length_ratio: four.lengthRatio,
    };
    near('corpus', got, fractions, 1e-9);
    near('sacrebleu', [100 * bleu(pairs, 1, 'exp').bleu, 100 * bleu(pairs, 4, 'exp').bleu], [score1, score4], 1e-7);
  },
};

interface Item {
  readonly error_type: ErrorType;
  readonly simple: Readonly<Record<string, Simple | null>>;
  readonly complex: Readonly<Record<string, ErrorType | null>>;
}

interface Data {
  readonly parsing: Readonly<Record<'simple' | 'complex', readonly { readonly response: string; readonly parsed: string | null }[]>>;
  readonly models_in_order: readonly string[];
  readonly items: readonly Item[];
  readonly expected: {
    readonly single: Readonly<Record<string, unknown>>;
    readonly ensemble: { readonly simple_votes: readonly Simple[]; readonly complex_votes: readonly ErrorType[] };
  };
}

const errorCheck: CaseRunner = {
  matches: (system, name) => system === SYSTEM && name === 'workflow-errorcheck',
  async run(dir) {
    const { params } = readCase(dir);
    const { parsing, models_in_order: members, items, expected } = JSON.parse(readFileSync(join(dir, 'errorcheck.json'), 'utf8')) as Data;
    for (const [level, parse] of [
      ['simple', parseSimple],
      ['complex', parseComplex],
    ] as const) {
      const cases = parsing[level];
      assertSame(
        `${level} answers`,
        cases.map(({ response }) => parse(response)),
        cases.map(({ parsed }) => parsed),
      );
    }
    const gold = items.map((item) => item.error_type);
    const scores = (simple: readonly (Simple | null)[], complex: readonly (ErrorType | null)[]) => {
      const { perType, macroF1, accuracy } = scoreComplex(gold, complex);
      return {
        simple: scoreSimple(gold, simple),
        complex: { accuracy, per_type: perType, macro_f1: macroF1 },
        unparsed_simple: simple.filter((a) => a === null).length,
        unparsed_complex: complex.filter((a) => a === null).length,
      };
    };
    const tolerance = params.float_tolerance as number;
    for (const member of members) {
      const got = scores(
        items.map((item) => item.simple[member]!),
        items.map((item) => item.complex[member]!),
      );
      near(member, got, expected.single[member], tolerance);
    }
    const { simple_votes, complex_votes, ...rest } = expected.ensemble;
    const votes = {
      simple: items.map((item) =>
        vote<Simple>(
          members.map((m) => ({ answer: item.simple[m]! })),
          'no',
        ),
      ),
      complex: items.map((item) =>
        vote<ErrorType>(
          members.map((m) => ({ answer: item.complex[m]! })),
          'none',
        ),
      ),
    };
    assertSame('simple votes', votes.simple, simple_votes);
    assertSame('complex votes', votes.complex, complex_votes);
    near('ensemble', scores(votes.simple, votes.complex), rest, tolerance);
  },
};

export const cases: readonly CaseRunner[] = [metrics, errorCheck];
