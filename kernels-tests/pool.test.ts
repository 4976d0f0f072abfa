// A worker of the pool runs each command once, however late the wake-up for it comes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { nodePlatform } from '../src/runtime/node.ts';
import { COUNT, type FromWorker, GENERATION, KIND, PROGRAM, RUN, STAGE, type ToWorker } from '../src/runtime/runner.ts';

test('a wake-up without a new command runs nothing', { timeout: 60_000 }, async () => {
  const worker = nodePlatform.spawn();
  assert.ok(worker);
  const messages: string[] = [];
  worker.onMessage((m) => messages.push((m as FromWorker).kind));
  const said = async (...kinds: string[]) => {
    while (messages.length < kinds.length) await setTimeout(1);
    assert.deepEqual(messages, kinds);
  };
  const commands = new Int32Array(new SharedArrayBuffer(64));
  const post = (m: ToWorker) => worker.post(m);
  /** Wakes the worker once it sleeps. */
  const wake = async () => {
    while (Atomics.notify(commands, GENERATION) === 0) await setTimeout(1);
  };
  /** A program of no records. */
  const run = () => {
    commands[KIND] = RUN;
    commands[STAGE] = commands[PROGRAM] = commands[COUNT] = 0;
    Atomics.add(commands, GENERATION, 1);
    Atomics.notify(commands, GENERATION);
  };
  try {
    post({ kind: 'start', commands, thread: 0, threads: 1 });
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    post({ kind: 'attach', module: await nodePlatform.compile('simd'), memory });
    await said('ready', 'ready');
    run();
    await said('ready', 'ready', 'done');
    await wake();
    await wake();
    run();
    await said('ready', 'ready', 'done', 'done');
  } finally {
    await worker.terminate();
  }
});
