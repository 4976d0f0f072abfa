// `pumice eval --visual-tokens`: one command from a set of questions to a table and a chart.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Llava } from '../src/index.ts';
import { fixture } from './fixtures.ts';
import { withMqt } from './models/tinyModels.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const pumice = (...args: string[]) => promisify(execFile)(process.execPath, [MAIN, 'eval', '-t', '1', ...args]);

test('accuracy against the budget: what the model itself answers with 16 tokens is right there, and noise is not', () =>
  withMqt(async (dir) => {
    const set = await mkdtemp(join(tmpdir(), 'pumice-set-'));
    try {
      await copyFile(fixture('image/rgb.png'), join(set, 'a.png'));
      const question = 'What is here?';
      const llava = await Llava.load(dir, { threads: 0 });
      const image = join(set, 'a.png');
      const content = [
        { type: 'image', image },
        { type: 'text', text: question },
      ] as const;
      const answer = await llava.chat([{ role: 'user', content }], { maxTokens: 96 }).text();
      await llava.dispose();
      const item = { picture: 'a.png', group: 'seen', question };
      const items = [
        { ...item, type: 'known', answer },
        { ...item, type: 'other', answer: 'No.' },
      ];
      await writeFile(join(set, 'pairs.jsonl'), items.map((i) => JSON.stringify(i)).join('\n'));

      const chart = join(set, 'curve.svg');
      const { stdout } = await pumice(dir, '--set', set, '--visual-tokens', '1,16', '--svg', chart);
      const lines = stdout.trim().split('\n');
      assert.equal(lines[0], '| tokens | known | other | all |');
      assert.match(lines[2]!, /^\| 1 \| (0|100)\.0 % \| 0\.0 % \| (0|50)\.0 % \|$/);
      assert.equal(lines[3], '| 16 | 100.0 % | 0.0 % | 50.0 % |');
      const svg = await readFile(chart, 'utf8');
      assert.ok(svg.startsWith('<svg') && svg.includes('tokens of a picture') && svg.match(/<polyline/g)?.length === 3);

      await assert.rejects(pumice(dir, '--set', set, '--visual-tokens', '17'), (e: { code?: number; stderr?: string }) => {
        assert.equal(e.code, 2);
        assert.match(e.stderr ?? '', /visualTokens: got 17, expected an integer of 1 to 16/);
        return true;
      });
    } finally {
      await rm(set, { recursive: true });
    }
  }));
