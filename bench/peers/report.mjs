// What came out: a Markdown table, and a chart of the ratios.

import { barChart } from '../../build/src/plot/bars.js';

const ratio = (row, key) => row.ours[key] / row.theirs[key];
const number = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

/** Rates per CPU second and per second, ours and theirs, their ratios and the ratio that is wanted. */
export function table(rows) {
  const lines = rows.map((r) => {
    const cells = [
      r.peer,
      r.what,
      r.threads,
      `${number(r.ours.cpu)} / ${number(r.theirs.cpu)} ${r.unit}`,
      `**${number(ratio(r, 'cpu'))}**`,
      `${number(r.ours.wall)} / ${number(r.theirs.wall)} ${r.unit}`,
      number(ratio(r, 'wall')),
      r.goal === undefined ? '' : `${r.goal}`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| peer | work | threads | per CPU second: pumice / peer | ratio | per second: pumice / peer | ratio | goal |',
    '|---|---|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

/** An SVG: how many times as much pumice does, per CPU second and per second, on a logarithmic scale. */
export function drawn(rows) {
  return barChart(
    rows.map((r) => ({
      label: `${r.peer.split(/[ ,]/)[0]}: ${r.what}${r.threads > 1 ? `, ${r.threads} threads` : ''}`,
      values: [ratio(r, 'cpu'), ratio(r, 'wall')],
      ...(r.goal === undefined ? {} : { goal: r.goal }),
    })),
    {
      title: 'pumice against its peers, same machine, same weights',
      x: 'times as much work as the peer (dotted: goal)',
      series: ['per CPU second', 'per second'],
      axis: { log: true },
      base: 1,
      format: (v) => `${number(v)}x`,
      width: 900,
    },
  );
}
