// A worker of the pool runs each command once, however late the wake-up for it comes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { nodePlatform } from '../src/runtime/node.ts';
import { COUNT, type FromWorker, GENERATION, KIND, LISTEN, PROGRAM, RUN, STAGE, type ToWorker } from '../src/runtime/runner.ts';

test('a wake-up without a new command runs nothing', { timeout: 60_000 }, async () => {
  const worker = nodePlatform.spawn();
  assert.ok(worker);
  const messages: string[] = [];
  worker.onMessage((m) => messages.push((m as FromWorker).kind));
  /** All messages up to the n-th `ready`. */
  const ready = async (n: number) => {
    while (messages.filter((kind) => kind === 'ready').length < n) await setTimeout(1);
    return messages;
  };
  const commands = new Int32Array(new SharedArrayBuffer(64));
  const post = (m: ToWorker) => worker.post(m);
  /** Wakes the worker once it sleeps. */
  const wake = async () => {
    while (Atomics.notify(commands, GENERATION) === 0) await setTimeout(1);
  };
  /** A program of no records, or the way back to the event loop. */
  const command = (kind: number) => {
    commands[KIND] = kind;
    commands[STAGE] = commands[PROGRAM] = commands[COUNT] = 0;
    Atomics.add(commands, GENERATION, 1);
    Atomics.notify(commands, GENERATION);
  };
  try {
    post({ kind: 'start', commands, thread: 0, threads: 1 });
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    const attach: ToWorker = { kind: 'attach', module: await nodePlatform.compile('simd', 'kernels'), memory };
    post(attach);
    await ready(2);
    command(RUN);
    // The first wakes it after the command, the second after it went back to sleep.
    await wake();
    await wake();
    command(LISTEN);
    post(attach);
    assert.deepEqual(await ready(3), ['ready', 'ready', 'done', 'ready']);
  } finally {
    await worker.terminate();
  }
});
