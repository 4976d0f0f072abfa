// The page of `pumice serve` in Chromium: asked of the server and in the browser, at the widths of a phone and a desk.
// Usage: node pageTest.mjs ROOT TOOLS [FOLDER]; screenshots go to FOLDER.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [root, tools, folder] = process.argv.slice(2);
const { chromium } = createRequire(join(tools, 'package.json'))('playwright-core');
const cli = spawn(
  process.execPath,
  [join(root, 'node_modules/pumice/build/src/cli/main.js'), 'serve', '-m', join(root, 'files/pebble.gguf'), '-p', '0'],
  {
    stdio: ['ignore', 'pipe', 2],
    env: { ...process.env, PUMICE_API_KEY: 'secret' },
  },
);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const url = await new Promise((resolve, reject) => {
    cli.stdout.on('data', (d) => resolve(/http:\S+/.exec(String(d))[0]));
    cli.on('exit', () => reject(new Error('pumice serve ended')));
  });
  for (const [name, viewport] of Object.entries({ phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } })) {
    const page = await browser.newPage({ viewport });
    const errors = [];
    const said = [];
    page.on('console', (m) => said.push(m.text()));
    page.on('requestfailed', (r) => said.push(`failed: ${r.url()}`));
    page.on('response', (r) => r.ok() || said.push(`${r.status()} ${r.url()}`));
    page.on('pageerror', (e) => errors.push(String(e)));
    await page.goto(url);
    for (const key of ['wrong', 'secret']) {
      await page.locator('#key').fill(key, { timeout: 20000 });
      const answered = page.waitForResponse((r) => r.url().endsWith('/v1/models'));
      await page.locator('#key').blur();
      assert.equal((await answered).status(), key === 'secret' ? 200 : 401);
    }
    const ready = () =>
      page
        .waitForFunction(() => !document.querySelector('#ask').disabled, undefined, { timeout: 20000 })
        .catch(async (e) => {
          throw new Error(`${e.message}: ${await page.textContent('#status')}\n${[...errors, ...said].join('\n')}`);
        });
    const ask = async () => {
      await page.click('#ask');
      await page.waitForFunction(() => /rows of prompt|cannot|error/.test(document.querySelector('#status').textContent), undefined, {
        timeout: 30000,
      });
      return page.textContent('#answer');
    };
    await ready();
    await page.setInputFiles('#file', join(root, 'files/picture.jpg'));
    const served = await ask();
    assert.ok(served.length > 1, await page.textContent('#status'));
    assert.ok((await page.locator('#profile tbody tr').count()) > 3);
    await page.selectOption('#mode', 'browser');
    await ready();
    assert.equal(await page.evaluate('crossOriginIsolated'), true);
    assert.equal((await ask()).trim(), served.trim(), 'the same answer from the server and in the browser');
    const whole = await page.locator('#picture').evaluate((canvas) => canvas.toDataURL());
    await page.locator('#keep').fill('50');
    assert.ok((await ask()).length > 1);
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
} finally {
  await browser.close();
  cli.kill();
}
