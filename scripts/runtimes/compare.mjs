// Reads reports, one per line, from the file named first; the first report is the reference. Ends with 1 where any bit differs.
import { readFileSync } from 'node:fs';
import { differences } from '../../build/kernels-tests/runtimes/selection.js';

const reports = readFileSync(process.argv[2], 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const wanted = process.argv.slice(3);
let bad = 0;
for (const report of reports) {
  const differ = differences(report, reports[0]);
  bad += differ.length;
  const shapes = [...new Set(report.runs.filter((r) => r.build !== '-').map((r) => `${r.build}/${r.threads}`))].join(' ');
  const cold = report.runs.reduce((n, r) => n + r.coldMs, 0);
  const warm = report.runs.reduce((n, r) => n + r.warmMs, 0);
  console.log(
    `${report.host.padEnd(20)} ${differ.length ? 'DIFFERS' : 'equal'}  ${report.runs.length} runs (build/threads: ${shapes}), cold ${cold.toFixed(0)} ms, warm ${warm.toFixed(0)} ms`,
  );
  for (const d of differ) console.log(`  ${d}`);
}
for (const name of wanted) {
  if (reports.some((r) => r.host === name)) continue;
  console.log(`${name.padEnd(20)} MISSING`);
  bad++;
}
for (const what of new Set(reports[0].runs.map((r) => r.what)))
  console.log(`${reports[0].runs.find((r) => r.what === what).digest.slice(0, 16)}  ${what}`);
process.exitCode = bad ? 1 : 0;
