// A profile as one self-contained HTML page. Charts by Chart.js, whose source the caller gives.

import { escaped } from '../plot/svg.ts';
import { reportData } from './charts.ts';
import type { Profile, Total } from './profile.ts';
import type { Roofline } from './roofline.ts';
import { columnsFor } from './table.ts';

export interface ReportOptions {
  readonly title: string;
  /** Lines under the title: model, build, threads, usage. */
  readonly facts: readonly string[];
  /** Source of Chart.js (UMD): written into the page, so that it opens anywhere. */
  readonly chartSource: string;
  /** Further parts of the page, as HTML. */
  readonly parts?: readonly string[];
}

const STYLE = `
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; background: #fff }
  h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem } p { margin: .2rem 0; color: #444 }
  .wide { overflow-x: auto }
  table { border-collapse: collapse; width: 100%; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap }
  th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #ddd } th:first-child, td:first-child { text-align: left }
  th[title] { text-decoration: underline dotted; cursor: help }
  .chart { position: relative }
`;

/** The page. Texts come from models and file names: they are escaped. */
export function htmlReport(profile: Profile, { title, facts, chartSource, parts = [] }: ReportOptions): string {
  const data = reportData(profile);
  const { roofline, threads } = profile;
  const chart = (id: string, height: number) => `<div class="chart" style="height:${height}px"><canvas id="${id}"></canvas></div>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<h1>${escaped(title)}</h1>
${facts.map((f) => `<p>${escaped(f)}</p>`).join('\n')}
${roofline ? `<p>${escaped(peaks(roofline, threads))}</p>` : ''}
<h2>Time by operation</h2>
${chart('ops', 60 + 24 * data.ops.length)}
${data.layers.map((l, i) => `<h2>${escaped(l.program)}: time by part of the model</h2>\n${chart(`layers${i}`, 280)}`).join('\n')}
${roofline && data.points.length ? `<h2>Operations below the roofline</h2>\n<p>Of all threads; a logarithmic scale. Points above the slope read from a cache.</p>\n${chart('roofline', 420)}` : ''}
${data.runs.length ? `<h2>Time of each run</h2>\n${chart('runs', 260)}` : ''}
<h2>Threads</h2>
${chart('threads', 70 + 28 * data.threads.length)}
${parts.join('\n')}
<h2>Table</h2>
<div class="wide"><table>
${tableRows(profile.totals('op'), roofline !== undefined, threads)}
</table></div>
<script>${chartSource.replaceAll('</script', '<\\/script').replace(/\n\/\/# sourceMappingURL=.*$/m, '')}</script>
<script>
const data = ${JSON.stringify(data).replaceAll('<', '\\u003c')};
const peaks = ${JSON.stringify(roofline ? { ...roofline, threads } : null)};
${CHARTS}
</script>
</html>
`;
}

const peaks = (r: Roofline, threads: number): string =>
  `peaks of one thread, measured after the run: ${r.i8.toFixed(1)} GMAC/s (8 bits), ${r.f32.toFixed(1)} GMAC/s (f32), ${r.memory.toFixed(1)} GB/s from memory${threads > 1 ? `; the roof of ${threads} threads is ${threads} times that` : ''}`;

function tableRows(totals: readonly Total[], roofline: boolean, threads: number): string {
  const columns = columnsFor(totals, roofline, threads);
  const all = totals.reduce((n, t) => n + t.ms, 0);
  const head = `<tr><th>operation${columns.map((c) => `<th title="${escaped(c.about)}">${c.head}`).join('')}</tr>`;
  const rows = totals.map((t) => `<tr><td>${escaped(t.key)}${columns.map((c) => `<td>${c.text(t, all)}`).join('')}</tr>`);
  return [head, ...rows].join('\n');
}

const CHARTS = `
const ms = 'milliseconds';
const colors = { matmul: '#0072b2', attention: '#d55e00', others: '#999', work: '#0072b2', wait: '#e69f00', i8: '#0072b2', f32: '#009e73' };
const set = (label, values, color) => ({ label, data: values, backgroundColor: color, borderColor: color });
const draw = (id, config) => new Chart(document.getElementById(id), { ...config, options: { maintainAspectRatio: false, animation: false, ...config.options } });
const stacked = (axis) => ({
  indexAxis: axis,
  scales: {
    [axis === 'y' ? 'x' : 'y']: { stacked: true, title: { display: true, text: ms } },
    [axis]: { stacked: true, ticks: { autoSkip: axis === 'x' } },
  },
});
draw('ops', {
  type: 'bar',
  data: { labels: data.ops.map((t) => t.key), datasets: [set('work', data.ops.map((t) => t.workMs), colors.work), set('wait', data.ops.map((t) => t.waitMs), colors.wait)] },
  options: stacked('y'),
});
data.layers.forEach((l, i) => draw('layers' + i, {
  type: 'bar',
  data: { labels: l.layers, datasets: Object.entries(l.ms).map(([kind, values]) => set(kind, values, colors[kind])) },
  options: stacked('x'),
}));
draw('threads', {
  type: 'bar',
  data: { labels: data.threads.map((_, i) => 'thread ' + i), datasets: [set('work', data.threads.map((t) => t.work), colors.work), set('wait', data.threads.map((t) => t.wait), colors.wait)] },
  options: stacked('y'),
});
if (data.runs.length) draw('runs', {
  type: 'line',
  data: {
    datasets: data.runs.map((r, i) => ({ ...set(r.program, r.points, Object.values(colors)[i % 3]), pointRadius: r.points.length > 60 ? 0 : 2, borderWidth: 1.5 })),
  },
  options: { scales: { x: { type: 'linear', title: { display: true, text: 'run' } }, y: { beginAtZero: true, title: { display: true, text: ms } } } },
});
if (peaks && data.points.length) {
  const xs = data.points.map((p) => p.x);
  const [low, high] = [Math.min(...xs) / 2, Math.max(...xs) * 2];
  const roof = (kind) => {
    const [peak, memory] = [peaks[kind] * peaks.threads, peaks.memory * peaks.threads];
    const knee = peak / memory;
    return [low, ...(knee > low && knee < high ? [knee] : []), high].map((x) => ({ x, y: Math.min(peak, x * memory) }));
  };
  const line = (kind, name) => ({ ...set('roof, ' + name, roof(kind), colors[kind]), type: 'line', pointRadius: 0, borderWidth: 1.5 });
  const dots = (kind, name) => ({ ...set(name, data.points.filter((p) => p.kind === kind), colors[kind]), pointRadius: 5 });
  const log = (text) => ({ type: 'logarithmic', title: { display: true, text }, ticks: { callback: (v) => (/^[1235]/.test(String(v).replace(/^[0.]+/, '')) ? String(Number(v.toPrecision(2))) : '') } });
  draw('roofline', {
    type: 'scatter',
    data: { datasets: [line('i8', '8 bits'), line('f32', 'f32'), dots('i8', '8-bit products'), dots('f32', 'f32 products')] },
    options: {
      scales: { x: { ...log('multiply-adds per byte'), min: low, max: high }, y: log('GMAC/s') },
      plugins: { tooltip: { callbacks: { label: ({ raw }) => (raw.key ? raw.key + ': ' : '') + raw.y.toFixed(1) + ' GMAC/s at ' + raw.x.toFixed(1) + ' per byte' } } },
    },
  });
}
`;
