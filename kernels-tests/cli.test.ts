// The command line as a process: clean output on a pipe, JSON, exit codes, Ctrl-C.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { synthModel } from '../src/models/synth.ts';
import { fixture } from './fixtures.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const MODEL = ['--model', fixture('models/gguf/llava15-tiny/model.gguf'), '--mmproj', fixture('models/gguf/llava15-tiny/mmproj.gguf')];

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function pumice(args: readonly string[], started: (kill: () => void) => void = () => {}): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (d) => {
      stdout += d;
    });
    child.stderr.on('data', (d) => {
      stderr += d;
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    started(() => child.kill('SIGINT'));
  });
}

/** A 2 x 2 picture. */
async function withPicture<T>(body: (path: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'pumice-'));
  const path = join(dir, 'picture.bmp');
  const bmp = Buffer.alloc(54 + 16);
  bmp.write('BM');
  bmp.writeUInt32LE(bmp.length, 2);
  bmp.writeUInt32LE(54, 10);
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(2, 18);
  bmp.writeInt32LE(2, 22);
  bmp.writeUInt16LE(1, 26);
  bmp.writeUInt16LE(24, 28);
  await writeFile(path, bmp);
  try {
    return await body(path);
  } finally {
    await rm(dir, { recursive: true });
  }
}

test('run prints the answer and nothing else on a pipe', () =>
  withPicture(async (path) => {
    const r = await pumice(['run', ...MODEL, '--image', path, 'what?', '-n', '6']);
    assert.equal(r.code, 0, r.stderr);
    assert.equal(r.stderr, '');
    assert.match(r.stdout, /^\S[^\n]*\n$/);
  }));

test('run --json gives one object with text and usage', () =>
  withPicture(async (path) => {
    const r = await pumice(['run', ...MODEL, '--image', path, '--image', path, 'what?', '-n', '4', '--json', '--threads', '1']);
    const json = JSON.parse(r.stdout) as { text: string; threads: number; usage: { imageTokens: number; completionTokens: number } };
    assert.equal(json.threads, 1);
    assert.equal(json.usage.imageTokens, 32);
    assert.equal(json.usage.completionTokens, 4);
  }));

test('bench times a model by length and threads, and says what does not fit', async () => {
  const args = ['bench', MODEL[1]!, '--mmproj', MODEL[3]!, '--threads', '1,2', '--prompts', '8,100000', '--contexts', '8', '--rounds', '1'];
  const r = await pumice(args);
  assert.equal(r.code, 0, r.stderr);
  const lines = r.stdout.trimEnd().split('\n');
  assert.deepEqual(
    lines.slice(2, -2).map((l) => l.split(/ {2,}/).slice(0, 2).join(' ').replace(/\(.*/, '')),
    [1, 2].flatMap((n) => [`${n} load`, `${n} picture 640x480 `, `${n} prefill 8 rows`, `${n} decode after 8 rows`]),
  );
  assert.equal(new Set(lines.slice(1, -2).map((l) => l.length)).size, 1, 'columns are aligned');
  assert.match(lines.at(-2)!, /^left out: prefill 100000 rows: the model's context is \d+ rows$/);
  assert.match(lines.at(-1)!, /^peak memory of the process: \d+ MiB$/);
});

test('the profile names the operations', async () => {
  const r = await pumice(['run', ...MODEL, 'hello', '-n', '3', '--profile', '--stats']);
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stderr, /decode: matmulQ8 +\d+/);
  assert.match(r.stderr, /prefill \d+ rows/);
});

test('inspect lists metadata and types', async () => {
  const r = await pumice(['inspect', MODEL[1]!]);
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /general\.architecture = "llama"/);
  assert.match(r.stdout, /q8_0 +16 tensors/);
});

test('score gives log-probabilities and DPO margins', () =>
  withPicture(async (path) => {
    const file = join(dirname(path), 'lines.jsonl');
    const lines = [
      { image: 'picture.bmp', question: 'what?', answer: 'the thing' },
      { question: 'what?', chosen: 'the thing', rejected: 'is it' },
    ];
    await writeFile(file, lines.map((l) => JSON.stringify(l)).join('\n'));
    const reference = ['--reference', MODEL[1]!, '--reference-mmproj', MODEL[3]!];
    const r = await pumice(['score', MODEL[1]!, file, '--mmproj', MODEL[3]!, ...reference, '--threads', '1']);
    assert.equal(r.code, 0, r.stderr);
    const [answer, pair] = r.stdout
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l)) as [
      { tokens: { logp: number }[]; sum: number; count: number },
      {
        margin: number;
        logprob: { chosen: number };
        reference: { chosen: number };
        distance: { rejected: { klTeacherStudent: number; teacherEntropy: number } };
      },
    ];
    assert.ok(pair.distance.rejected.teacherEntropy > 0);
    assert.equal(pair.distance.rejected.klTeacherStudent, 0);
    assert.equal(answer.tokens.length, answer.count);
    assert.ok(answer.sum < 0 && answer.tokens.every((t) => t.logp <= 0));
    // The reference is the same model: it prefers neither.
    assert.equal(pair.margin, 0);
    assert.equal(pair.logprob.chosen, pair.reference.chosen);
    await writeFile(file, '{"question": "what?"}');
    const bad = await pumice(['score', MODEL[1]!, file]);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /line 1: needs question and answer/);
  }));

test('eval --prune gives a line for each method and share, and a chart', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pumice-eval-'));
  try {
    const svg = join(dir, 'chart.svg');
    const { code, stdout, stderr } = await pumice([
      ...['eval', 'pebble', '--threads', '1', '--limit', '2', '--svg', svg],
      ...['--prune', 'fastv:1,visionzip', '--keep', '0.5'],
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\| all rows \| 100 % \| \d of 2 \|.*\n\| fastv \| 50 % \| \d of 2 \|.*\n\| visionzip \| 50 % \|/);
    const chart = await readFile(svg, 'utf8');
    assert.match(chart, /^<svg/);
    assert.match(chart, />visionzip</);
    const refused = await pumice(['eval', 'pebble', '--prune', 'fastv', '--keep', '0']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--keep: got 0, numbers above 0 between commas are expected/);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('bad input ends with 2 and says what is wrong', async () => {
  const cases: [string[], RegExp][] = [
    [['run', '--model', '/nowhere.gguf', 'x'], /nowhere/],
    [['run', ...MODEL, '--image', '/nowhere.png', 'x'], /nowhere\.png/],
    [['run', ...MODEL, '--temp', 'warm', 'x'], /--temp: not a number: warm/],
    [['run', ...MODEL, '--temp', '-1', 'x'], /temperature/],
    [['run', ...MODEL, '--threads', '1.5', 'x'], /threads/],
    [['run', '--bad'], /unknown option/],
    [['inspect', MAIN], /tried as GGUF and as safetensors/],
    [['nothing'], /unknown command/],
  ];
  for (const [args, message] of cases) {
    const r = await pumice(args);
    assert.equal(r.code, 2, `${args.join(' ')}: ${r.stderr}`);
    assert.match(r.stderr, message);
    assert.equal(r.stdout, '');
  }
});

test('Ctrl-C ends with 130', async () => {
  // A picture that never comes: the run waits for it.
  let seen = () => {};
  const requested = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const server = createServer(() => seen());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/picture.png`;
  try {
    const r = await pumice(['run', ...MODEL, '--image', url, 'x'], (kill) => void requested.then(kill));
    assert.equal(r.code, 130, r.stderr);
    assert.equal(r.stdout, '');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('Ctrl-C while a file is written: exit code 130, and neither half a file nor a part of one is left', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pumice-'));
  const input = join(dir, 'in.gguf');
  const output = join(dir, 'out.gguf');
  try {
    // A head and holes: 2 GiB that are read as zeros.
    const file = synthModel('llama-1.1b', 'f16');
    const handle = await open(input, 'w');
    await handle.write(file.pieces().next().value as Uint8Array);
    await handle.truncate(file.bytes);
    await handle.close();
    for (const args of [
      ['quantize', input, output, '--type', 'q4_k_m'],
      ['convert', input, output],
      ['quantize', input, output, '--type', 'q8_0', '--packed'],
    ]) {
      const { code } = await pumice(args, (kill) => {
        const timer = setInterval(() => {
          if (!readdirSync(dir).some((f) => f.endsWith('.partial'))) return;
          clearInterval(timer);
          kill();
        }, 5);
      });
      assert.equal(code, 130, args.join(' '));
      assert.deepEqual(readdirSync(dir), ['in.gguf'], args.join(' '));
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});
