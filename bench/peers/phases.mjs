// A whole model in headless Chromium: pumice and a peer, each in a browser of its own; prefill and decode.

import assert from 'node:assert/strict';
import { openBrowser } from '../../build/bench/browser.js';
import { contest } from './timing.mjs';

/** Of CPU time in a second: below that a browser that is asked nothing has come to rest. */
const REST_MS = 50;

/** Waits until a browser is at rest, at most 20 seconds. Returns the CPU milliseconds of the last one. */
async function rested({ clock }) {
  let spent;
  for (let i = 0; i < 20; i++) {
    const start = await clock();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    spent = (await clock()).cpu - start.cpu;
    if (spent < REST_MS) break;
  }
  return spent;
}

/**
 * `load` and `run` name functions of page.mjs. `files`: what the page may fetch below /files/, by name; the GGUF is `model.gguf`.
 * Where a run reports the first token after the prompt, both must choose the same.
 */
export async function wholeModel({ peer, load, run, files, threads, rows, tokens, rounds, goals }) {
  const given = { file: 'model.gguf', threads, context: 2 * (rows + tokens + 8) };
  const browsers = [];
  const open = async (name) => {
    const browser = await openBrowser(files);
    browsers.push(browser);
    const page = await browser.page('bench/peers/page.html', 'globalThis.peers');
    const call = (f, ...args) => page(`peers.${f}`, ...args);
    const said = await call(name, given);
    console.error(`${name}: ${JSON.stringify(said)}, at rest ${await rested(browser)} ms of CPU in a second`);
    return call;
  };
  try {
    const ours = await open('loadPumice');
    const theirs = await open(load);
    let first;
    await contest({
      peer: `${peer}, Chromium ${browsers[0].version.split('.')[0]}`,
      threads,
      unit: 'tokens',
      rounds,
      phases: {
        prefill: { what: `prefill of ${rows} tokens`, amount: rows, goal: goals?.prefill },
        decode: { what: `decode after ${rows} tokens`, amount: tokens, goal: goals?.decode },
      },
      // Peers are slow: a short run warms up.
      warmUp: async () => {
        await ours('pumiceRun', rows, tokens);
        await theirs(run, 8, 1);
      },
      ours: async () => {
        const times = await ours('pumiceRun', rows, tokens);
        first = times.first;
        return times;
      },
      theirs: async () => {
        const times = await theirs(run, rows, tokens);
        console.error(`${run}: ${JSON.stringify(times)}`);
        if (times.first !== undefined) assert.equal(times.first, first, 'the first token after the prompt');
        return times;
      },
    });
  } finally {
    for (const b of browsers) await b.close();
  }
}
