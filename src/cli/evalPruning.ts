// `pumice eval --prune`: right answers against the share of a picture's rows that stays, as a table and a chart.

import { answerItems, type Item } from '../evaluate.ts';
import { Llava, type LoadOptions } from '../index.ts';
import { clipConfig } from '../models/clip.ts';
import { adaptive, type Pruning, parsePruning, pruningAt } from '../models/pruning.ts';
import { lineChart } from '../plot/lines.ts';

/** What one setting reached. */
export interface PruningScore {
  readonly method: string;
  /** Mean share of the picture's rows that goes on to the last layer. */
  readonly share: number;
  readonly right: number;
  readonly items: number;
}

/** Pictures whose rows are counted. */
const COUNTED = 32;

/**
 * Asks everything with all rows, then with each method at each share; methods that find their own share once. `methods` as `--prune` of
 * `run` takes them, between commas. `onItem`: answers so far, and in all.
 */
export async function sweepPruning(
  model: string,
  options: LoadOptions,
  { methods, keep }: { readonly methods: string; readonly keep: readonly number[] },
  items: readonly Item[],
  picture: (path: string) => Promise<Uint8Array>,
  onItem: (done: number, total: number) => void,
): Promise<PruningScore[]> {
  const asked = methods.split(',').map(parsePruning);
  const settings = asked.flatMap((method) =>
    (adaptive(method) ? [undefined] : keep.filter((k) => k < 1)).map((share) => ({ method, share })),
  );
  let done = 0;
  const pictures = [...new Set(items.map((i) => i.picture))].slice(0, COUNTED);
  const run = async (name: string, prune: Pruning | undefined) => {
    await using llava = await Llava.load(model, { ...options, ...(prune && { prune }) });
    let right = 0;
    for await (const { got, answer } of answerItems(llava, items, picture)) {
      right += got === answer ? 1 : 0;
      onItem(++done, (settings.length + 1) * items.length);
    }
    let rows = 0;
    for (const path of pictures) rows += (await llava.embedImage(await picture(path))).rows;
    const { vision, config } = llava.checkpoint;
    const tower = clipConfig(vision?.config ?? config);
    const patches = Math.floor(tower.imageSize / tower.patch) ** 2;
    return { method: name, share: rows / pictures.length / patches, right, items: items.length, tower, patches };
  };
  const { tower, patches, ...dense } = await run('all rows', undefined);
  const scores: PruningScore[] = [dense];
  for (const { method, share } of settings) {
    const prune = share === undefined ? method : pruningAt(method, share, { patches, layers: tower.layers - 1 });
    const { method: name, share: rows, right, items: n } = await run(method.method, prune);
    // FastV drops rows behind the tower.
    scores.push({ method: name, share: method.method === 'fastv' ? share! : rows, right, items: n });
  }
  return scores;
}

export function pruningTable(scores: readonly PruningScore[]): string {
  const lines = scores.map(
    (s) => `| ${s.method} | ${(100 * s.share).toFixed(0)} % | ${s.right} of ${s.items} | ${((100 * s.right) / s.items).toFixed(1)} % |`,
  );
  return ['| method | rows that stay | right | |', '|---|---|---|---|', ...lines, ''].join('\n');
}

/** A line for each method, from all rows on. */
export function pruningChart(scores: readonly PruningScore[], title: string): string {
  const [dense, ...others] = scores;
  const point = (s: PruningScore): [number, number] => [100 * s.share, (100 * s.right) / s.items];
  const names = [...new Set(others.map((s) => s.method))];
  const series = names.map((name) => {
    const own = others.filter((s) => s.method === name).map(point);
    return { name, points: own.length > 1 && dense ? [point(dense), ...own] : own };
  });
  return lineChart(series, { title, x: 'rows of the picture that stay, %', y: 'right answers, %', xAxis: { fromZero: true } });
}
