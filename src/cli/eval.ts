// `pumice eval`: exact answers of a model on a set of pictures and questions.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answerItems, type Outcome, parseItems, type Score, scores } from '../evaluate.ts';
import { Llava } from '../index.ts';
import { embedded, embeddedSet } from './embedded.ts';
import { budgetChart, budgetTable, sweepBudgets } from './evalBudgets.ts';
import { pruningChart, pruningTable, sweepPruning } from './evalPruning.ts';
import { numbers } from './numbers.ts';
import { progress } from './progress.ts';

export interface EvalOptions {
  readonly set: string;
  readonly threads: number | 'auto';
  readonly limit?: number;
  readonly json?: boolean;
  /** Methods between commas: right answers against the share of rows that stays. */
  readonly prune?: string;
  /** Shares between commas. */
  readonly keep: string;
  /** Budgets between commas: right answers against the tokens of a picture. */
  readonly visualTokens?: string;
  /** File for a chart of it. */
  readonly svg?: string;
}

/** `name`: of a model that comes along, or a path. */
export async function evaluate(name: string, o: EvalOptions): Promise<void> {
  const model = embedded(name);
  const set = o.set || embeddedSet();
  const file = join(set, 'pairs.jsonl');
  const items = parseItems(await readFile(file, 'utf8'), file).slice(0, o.limit);
  const picture = (path: string) => readFile(join(set, path));
  const bars = progress();
  const onItem = (done: number, total: number) => bars.update('eval', done, total, 'questions');
  if (o.prune !== undefined) {
    const sweep = { methods: o.prune, keep: numbers('--keep', o.keep) };
    const found = await sweepPruning(model, { threads: o.threads }, sweep, items, picture, onItem);
    bars.stop();
    process.stdout.write(o.json ? `${JSON.stringify({ model: name, scores: found }, null, 1)}\n` : pruningTable(found));
    if (o.svg) await writeFile(o.svg, pruningChart(found, `${name}: right answers with fewer rows of the picture`));
    return;
  }
  await using llava = await Llava.load(model, { threads: o.threads });
  if (o.visualTokens !== undefined) {
    const found = await sweepBudgets(llava, numbers('--visual-tokens', o.visualTokens, { whole: true }), items, picture, onItem);
    bars.stop();
    process.stdout.write(o.json ? `${JSON.stringify({ model: name, budgets: found }, null, 1)}\n` : budgetTable(found));
    if (o.svg) await writeFile(o.svg, budgetChart(found, `${name}: right answers by the tokens of a picture`));
    return;
  }
  const outcomes: Outcome[] = [];
  for await (const outcome of answerItems(llava, items, picture)) {
    outcomes.push(outcome);
    onItem(outcomes.length, items.length);
  }
  bars.stop();
  const table = scores(outcomes);
  process.stdout.write(o.json ? `${JSON.stringify({ model: name, scores: table, outcomes }, null, 1)}\n` : markdown(table));
}

function markdown(table: readonly Score[]): string {
  const percent = (n: number, of: number) => `${((100 * n) / of).toFixed(1)} %`;
  const groups = [...new Set(table.map((s) => s.group))];
  const lines = groups.flatMap((group) => {
    const own = table.filter((s) => s.group === group);
    const sum = (pick: (s: Score) => number) => own.reduce((n, s) => n + pick(s), 0);
    const row = (type: string, items: number, right: number, majority: number) =>
      `| ${group} | ${type} | ${items} | ${percent(right, items)} | ${percent(majority, items)} |`;
    return [
      ...own.map((s) => row(s.type, s.items, s.right, s.majority)),
      row(
        '**all**',
        sum((s) => s.items),
        sum((s) => s.right),
        sum((s) => s.majority),
      ),
    ];
  });
  return ['| pictures | question | items | right | majority answer |', '|---|---|---|---|---|', ...lines, ''].join('\n');
}
