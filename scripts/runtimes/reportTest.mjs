// The pages of `pumice profile --html` in Chromium, of a model and of a mixture with its experts' heat maps: nothing fails, every chart is drawn.
// Usage: node reportTest.mjs ROOT TOOLS
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { moeModel } from './variants.mjs';

const [root, tools] = process.argv.slice(2);
const { chromium } = createRequire(join(tools, 'package.json'))('playwright-core');
const build = join(root, 'node_modules/pumice/build/src');
const file = (name) => join(root, 'files', name);
writeFileSync(file('random-moe.gguf'), await moeModel(readFileSync(file('pebble.gguf')), build));

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  for (const [model, ...more] of [['pebble.gguf'], ['random-moe.gguf', '--experts']]) {
    const html = join(root, `${model}.html`);
    const ask = ['What is at the left?', '--image', file('picture.jpg'), '-m', file(model), '--max-tokens', '6', '-t', '2'];
    execFileSync(process.execPath, [join(build, 'cli/main.js'), 'profile', ...ask, '--html', html, ...more], { stdio: 'ignore' });
    const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
    const errors = [];
    page.on('console', (m) => m.type() === 'error' && errors.push(m.text()));
    page.on('pageerror', (e) => errors.push(String(e)));
    await page.goto(pathToFileURL(html).href);
    const charts = await page.locator('canvas').evaluateAll((all) =>
      all.map((canvas) => {
        const { width, height } = canvas.getBoundingClientRect();
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return { id: canvas.id, width, height, painted: data.filter((value, i) => i % 4 === 3 && value > 0).length };
      }),
    );
    assert.deepEqual(errors, []);
    const ids = charts.map((c) => c.id);
    for (const id of ['ops', 'layers0', 'roofline', 'threads']) assert.ok(ids.includes(id), `${model}: no chart ${id}: ${ids}`);
    for (const { id, width, height, painted } of charts)
      assert.ok(width > 300 && height > 80 && painted > 500, `${model}: ${id}: ${width} x ${height}, ${painted} pixels painted`);
    // A cell for each expert of each layer, of text and of pictures; the shares of a layer are a whole.
    const maps = await page.locator('table:has(caption)').evaluateAll((tables) =>
      tables.map((table) => {
        const rows = [...table.rows].slice(1);
        const { width, height } = table.getBoundingClientRect();
        const shares = rows.map((row) => [...row.cells].slice(1).map((cell) => Number.parseInt(cell.textContent, 10)));
        const colors = new Set(rows.flatMap((row) => [...row.cells].slice(1).map((cell) => getComputedStyle(cell).backgroundColor)));
        return { caption: table.caption.textContent, width, height, shares, colors: colors.size };
      }),
    );
    assert.equal(maps.length, more.length ? 2 : 0);
    for (const { caption, width, height, shares, colors } of maps) {
      assert.ok(width > 100 && height > 40 && colors > 1, `${caption}: ${width} x ${height}, ${colors} colours`);
      for (const row of shares) assert.ok(row.length === 4 && Math.abs(row.reduce((a, b) => a + b) - 100) <= 2, `${caption}: ${row}`);
    }
    console.error(`report of ${model}: ${ids.length} charts, ${maps.length} heat maps`);
    await page.close();
  }
} finally {
  await browser.close();
}
