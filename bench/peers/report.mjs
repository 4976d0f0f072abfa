// What came out: a Markdown table, and a chart of the ratios.

import { barChart } from '../../build/src/plot/bars.js';

/** Null where a run was shorter than a tick of the CPU clock. */
const ratio = ({ ours, theirs }, key) => (ours[key] && theirs[key] ? ours[key] / theirs[key] : null);
const number = (x) => (x === null ? '-' : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

/** Rates per CPU second and per second, ours and theirs, their ratios and the ratio that is wanted; then what failed, and why. */
export function table(rows, failures = []) {
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
    ...failures.map(({ peer, what, failed }) => `| ${peer} | ${what} | | failed: ${failed.replaceAll('|', '/').slice(0, 200)} | | | | |`),
    '',
  ].join('\n');
}

/** The page in docs/. */
export const document = (machine, text) => `# Peers

Written by \`npm run bench:peers -- --docs\` (\`bench/peers\`): pumice and a peer at the same work with the same weights, in turns; medians. CPU time is of all threads, in browsers of all
processes. What limits pumice: \`docs/performance.md\`.

${machine}.

![ratios](peers.svg)

${text}`;

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
