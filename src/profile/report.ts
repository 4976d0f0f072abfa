// A profile as one self-contained HTML page: time by op, by layer, balance of threads. Charts by Chart.js, whose source the caller gives.

import type { Profile, Total } from './profile.ts';

export interface ReportOptions {
  readonly title: string;
  /** Lines under the title: model, build, threads, usage. */
  readonly facts: readonly string[];
  /** Source of Chart.js (UMD): written into the page, so that it opens anywhere. */
  readonly chartSource: string;
}

/** The page. Texts come from models and file names: they are escaped. */
export function htmlReport(profile: Profile, { title, facts, chartSource }: ReportOptions): string {
  const ops = profile.totals('op');
  const data = {
    ops: top(ops, 16),
    sections: profile
      .totals('section')
      .filter((t) => t.ms > 0)
      .slice(0, 80)
      .sort(byName),
    threads: profile.threadTimes(),
  };
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; background: #fff }
  h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
  th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #ddd } th:first-child, td:first-child { text-align: left }
  .chart { position: relative; height: 24rem }
</style>
<h1>${escaped(title)}</h1>
${facts.map((f) => `<p>${escaped(f)}</p>`).join('\n')}
<h2>Time by operation</h2><div class="chart"><canvas id="ops"></canvas></div>
<h2>Time by part of the model</h2><div class="chart"><canvas id="sections"></canvas></div>
<h2>Threads</h2><div class="chart" style="height:10rem"><canvas id="threads"></canvas></div>
<h2>Table</h2>
<table><tr><th>operation<th>calls<th>ms<th>share<th>GMAC/s<th>GB/s</tr>
${rows(ops)}
</table>
<script>${chartSource.replaceAll('</script', '<\\/script').replace(/\n\/\/# sourceMappingURL=.*$/m, '')}</script>
<script>
const data = ${JSON.stringify(data).replaceAll('<', '\\u003c')};
const bar = (id, items, axis) => new Chart(document.getElementById(id), {
  type: 'bar',
  data: { labels: items.map((t) => t.key), datasets: [{ label: 'ms', data: items.map((t) => t.ms), backgroundColor: '#4878a8' }] },
  options: { indexAxis: axis, maintainAspectRatio: false, animation: false, plugins: { legend: { display: false } } },
});
bar('ops', data.ops, 'y');
bar('sections', data.sections, 'x');
bar('threads', data.threads.map((ms, i) => ({ key: 'thread ' + i, ms })), 'y');
</script>
</html>
`;
}

/** The largest, and the rest as one. */
function top(totals: readonly Total[], count: number): { key: string; ms: number }[] {
  const rest = totals.slice(count).reduce((n, t) => n + t.ms, 0);
  return [...totals.slice(0, count).map(({ key, ms }) => ({ key, ms })), ...(rest > 0 ? [{ key: 'others', ms: rest }] : [])];
}

const byName = (a: Total, b: Total): number => a.key.localeCompare(b.key, 'en', { numeric: true });

function rows(totals: readonly Total[]): string {
  const all = totals.reduce((n, t) => n + t.ms, 0);
  const rate = (n: number, ms: number) => (n > 0 && ms > 0 ? (n / ms / 1e6).toFixed(2) : '');
  return totals
    .map(
      (t) =>
        `<tr><td>${escaped(t.key)}<td>${t.calls}<td>${t.ms.toFixed(2)}<td>${((100 * t.ms) / all).toFixed(1)} %<td>${rate(t.macs, t.ms)}<td>${rate(t.bytes, t.ms)}</tr>`,
    )
    .join('\n');
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
