// The page of `pumice serve` in Chromium: asked of the server and in the browser, at the widths of a phone and a desk.
// Usage: node pageTest.mjs ROOT TOOLS [FOLDER]; screenshots go to FOLDER.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { mqtModel } from './variants.mjs';

const [root, tools, folder] = process.argv.slice(2);
const { chromium } = createRequire(join(tools, 'package.json'))('playwright-core');
const main = join(root, 'node_modules/pumice/build/src/cli/main.js');
const KEY = 'secret';
const servers = [];
/** Starts `pumice serve` over a file; gives its address. */
function serve(model) {
  const env = { ...process.env, PUMICE_API_KEY: KEY };
  const cli = spawn(process.execPath, [main, 'serve', '-m', join(root, 'files', model), '-p', '0'], { stdio: ['ignore', 'pipe', 2], env });
  servers.push(cli);
  return new Promise((resolve, reject) => {
    cli.stdout.on('data', (d) => resolve(/http:\S+/.exec(String(d))[0]));
    cli.on('exit', () => reject(new Error('pumice serve ended')));
  });
}
/** Waits until questions can be asked. */
const ready = (page, said) =>
  page
    .waitForFunction(() => !document.querySelector('#ask').disabled, undefined, { timeout: 20000 })
    .catch(async (e) => {
      throw new Error(`${e.message}: ${await page.textContent('#status')}\n${said.join('\n')}`);
    });
/** Asks what stands there; gives the answer. */
async function ask(page) {
  await page.click('#ask');
  await page.waitForFunction(() => /rows of prompt|cannot|error/.test(document.querySelector('#status').textContent), undefined, {
    timeout: 30000,
  });
  return page.textContent('#answer');
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const url = await serve('pebble.gguf');
  for (const [name, viewport] of Object.entries({ phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } })) {
    const page = await browser.newPage({ viewport });
    const errors = [];
    const said = [];
    page.on('console', (m) => said.push(m.text()));
    page.on('requestfailed', (r) => said.push(`failed: ${r.url()}`));
    page.on('response', (r) => r.ok() || said.push(`${r.status()} ${r.url()}`));
    page.on('pageerror', (e) => errors.push(String(e)) && said.push(String(e)));
    await page.goto(url);
    for (const key of ['wrong', KEY]) {
      await page.locator('#key').fill(key, { timeout: 20000 });
      const answered = page.waitForResponse((r) => r.url().endsWith('/v1/models'));
      await page.locator('#key').blur();
      assert.equal((await answered).status(), key === KEY ? 200 : 401);
    }
    await ready(page, said);
    assert.ok(await page.locator('#tokensLabel').isHidden(), 'this model has no budgets');
    await page.setInputFiles('#file', join(root, 'files/picture.jpg'));
    const served = await ask(page);
    assert.ok(served.length > 1, await page.textContent('#status'));
    assert.ok((await page.locator('#profile tbody tr').count()) > 3);
    await page.selectOption('#mode', 'browser');
    await ready(page, said);
    assert.equal(await page.evaluate('crossOriginIsolated'), true);
    assert.equal((await ask(page)).trim(), served.trim(), 'the same answer from the server and in the browser');
    const whole = await page.locator('#picture').evaluate((canvas) => canvas.toDataURL());
    await page.locator('#keep').fill('50');
    assert.ok((await ask(page)).length > 1);
    // What deep layers do not see is shaded, until that is switched off.
    assert.ok(await page.locator('#overlay').isVisible());
    assert.notEqual(await page.locator('#picture').evaluate((canvas) => canvas.toDataURL()), whole);
    await page.locator('#overlay').uncheck();
    assert.equal(await page.locator('#picture').evaluate((canvas) => canvas.toDataURL()), whole);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: scrolls sideways`);
    assert.deepEqual(errors, []);
    if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
    console.error(`page, ${name}: ${served.trim()} ${await page.textContent('#status')}`);
    await page.close();
  }

  // A model with budgets: as many rows of the picture as the slider says.
  writeFileSync(
    join(root, 'files/random-mqt.gguf'),
    await mqtModel(readFileSync(join(root, 'files/pebble.gguf')), join(root, 'node_modules/pumice/build/src')),
  );
  const page = await browser.newPage();
  const said = [];
  page.on('console', (m) => said.push(m.text()));
  page.on('pageerror', (e) => said.push(String(e)));
  await page.goto(await serve('random-mqt.gguf'));
  await page.locator('#key').fill(KEY, { timeout: 20000 });
  await page.locator('#key').blur();
  await ready(page, said);
  const slider = page.locator('#tokens');
  assert.ok(await slider.isVisible(), 'the slider of visual tokens');
  assert.deepEqual(await slider.evaluate((e) => [e.min, e.max, e.value]), ['1', '256', '256']);
  await page.setInputFiles('#file', join(root, 'files/picture.jpg'));
  for (const rows of ['256', '16', '37']) {
    await slider.fill(rows);
    assert.equal(await page.textContent('#tokensLabel output'), rows);
    await ask(page);
    assert.match(await page.textContent('#status'), new RegExp(`\\(${rows} of the picture\\)`));
  }
  await page.selectOption('#mode', 'browser');
  await ready(page, said);
  assert.ok(await page.locator('#tokensLabel').isHidden(), "the browser's own model has no budgets");
  console.error('page, visual tokens: 256, 16, 37 rows, as the slider says');
} finally {
  await browser.close();
  for (const server of servers) server.kill();
}
