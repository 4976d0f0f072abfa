// `pumice eval --visual-tokens`: right answers against the tokens that stand for a picture, as a table and a chart.

import { answerItems, type Item, type Score, scores } from '../evaluate.ts';
import type { Llava } from '../index.ts';
import { lineChart } from '../plot/lines.ts';
import { COLORS } from '../plot/svg.ts';

/** What one budget reached. */
export interface BudgetScore {
  readonly visualTokens: number;
  readonly scores: readonly Score[];
}

/** Asks everything with each budget in turn. `onItem`: answers so far, and in all. Throws InputError where the model has no such budget. */
export async function sweepBudgets(
  llava: Llava,
  budgets: readonly number[],
  items: readonly Item[],
  picture: (path: string) => Promise<Uint8Array>,
  onItem: (done: number, total: number) => void,
): Promise<BudgetScore[]> {
  const found: BudgetScore[] = [];
  let done = 0;
  for (const visualTokens of budgets) {
    const outcomes = [];
    for await (const outcome of answerItems(llava, items, picture, { visualTokens })) {
      outcomes.push(outcome);
      onItem(++done, budgets.length * items.length);
    }
    found.push({ visualTokens, scores: scores(outcomes) });
  }
  return found;
}

/** Percent of right answers to questions of a type; without one, to all. */
function percent({ scores }: BudgetScore, type?: string): number {
  const own = scores.filter((s) => type === undefined || s.type === type);
  const sum = (pick: (s: Score) => number) => own.reduce((n, s) => n + pick(s), 0);
  return (100 * sum((s) => s.right)) / sum((s) => s.items);
}

const typesOf = (found: readonly BudgetScore[]): string[] => [...new Set(found.flatMap((b) => b.scores.map((s) => s.type)))];

export function budgetTable(found: readonly BudgetScore[]): string {
  const types = typesOf(found);
  const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [
    row(['tokens', ...types, 'all']),
    row(['---', ...types.map(() => '---'), '---']),
    ...found.map((b) => row([b.visualTokens, ...[...types, undefined].map((type) => `${percent(b, type).toFixed(1)} %`)])),
    '',
  ].join('\n');
}

/** Types that a chart can tell apart beside the sum. */
const SHOWN = COLORS.length - 1;

/** A line for all questions and one for each of the types asked most, over the budget. */
export function budgetChart(found: readonly BudgetScore[], title: string): string {
  const asked = (type: string) => found[0]!.scores.reduce((n, s) => n + (s.type === type ? s.items : 0), 0);
  const types = typesOf(found)
    .sort((a, b) => asked(b) - asked(a))
    .slice(0, SHOWN);
  const series = [undefined, ...(types.length > 1 ? types : [])].map((type) => ({
    name: type ?? 'all',
    points: found.map((b): [number, number] => [b.visualTokens, percent(b, type)]),
  }));
  return lineChart(series, { title, x: 'tokens of a picture', y: 'right answers, %', xAxis: { log: true } });
}
