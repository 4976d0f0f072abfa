// What every runtime runs: whole models, cold and warm, on each build and thread count that it has. It sees the package only as its users do.

import { type Llava, Llava as loader } from 'pumice';
import { type Build, bestBuild, decodeImage, type LoadOptions, type Piece, Session } from 'pumice/core';

export interface Host {
  readonly name: string;
  /** Bytes of a file of the selection. */
  file(name: string): Promise<Uint8Array>;
  /** Thread counts to try; 0 is inline. */
  readonly threads: readonly number[];
  /** Default: all that the runtime computes rightly. */
  readonly builds?: readonly Build[];
  /** Pictures to decode; default PNG and JPEG. PNG needs DecompressionStream. */
  readonly pictures?: readonly string[];
  /** For hosts that need them: kernels, worker file. */
  readonly options?: LoadOptions;
}

export interface Run {
  readonly what: string;
  readonly build: string;
  readonly threads: number;
  /** SHA-256 over the bits of all results. */
  readonly digest: string;
  readonly coldMs: number;
  readonly warmMs: number;
}

export interface Report {
  readonly host: string;
  readonly runs: readonly Run[];
  /** What differed between cold and warm; empty when all is well. */
  readonly faults: readonly string[];
}

const TEXT = Array.from({ length: 61 }, (_, i) => (i * 37) % 320);
const STEPS = [3, 300, 7];

/** Bits of the logits of a prompt and of three further tokens. */
async function logits(llava: Llava, prompt: readonly Piece[]): Promise<Float32Array[]> {
  const session = new Session(llava.programs, llava.model.decoder);
  const rows = [(await session.prefill(prompt)).logits];
  for (const id of STEPS) rows.push(await session.step(id));
  return rows;
}

/** A picture that any runtime makes alike. */
function picture(width: number, height: number): { width: number; height: number; data: Uint8Array } {
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < data.length; i++) data[i] = (i * i * 31 + i * 7) >> 5;
  return { width, height, data };
}

interface Case {
  readonly what: string;
  readonly model: string;
  readonly mmproj?: string;
  results(llava: Llava): Promise<ArrayBufferView[]>;
}

const CASES: readonly Case[] = [
  {
    what: 'LLaVA pair, f16 and f32',
    model: 'llava15-tiny.gguf',
    mmproj: 'llava15-tiny.mmproj.gguf',
    async results(llava) {
      const image = await llava.embedImage(picture(60, 41));
      return [image.features, ...(await logits(llava, [1, 283, 88, image, 283, 13, 275]))];
    },
  },
  { what: 'language model, q4_0', model: 'overhead-q4_0.gguf', results: (llava) => logits(llava, TEXT) },
  {
    what: 'pebble',
    model: 'pebble.gguf',
    async results(llava) {
      const image = picture(300, 200);
      const content = [
        { type: 'image' as const, image },
        { type: 'text' as const, text: 'What is at the left?' },
      ];
      const text = await llava.chat([{ role: 'user', content }], { maxTokens: 8 }).text();
      return [(await llava.embedImage(image)).features, new TextEncoder().encode(text)];
    },
  },
  { what: 'language model, q8_0', model: 'overhead-q8_0.gguf', results: (llava) => logits(llava, TEXT) },
];

async function sha256(parts: readonly ArrayBufferView[]): Promise<string> {
  const bytes = new Uint8Array(parts.reduce((n, p) => n + p.byteLength, 0));
  let at = 0;
  for (const p of parts) {
    bytes.set(new Uint8Array(p.buffer, p.byteOffset, p.byteLength), at);
    at += p.byteLength;
  }
  return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((b) => b.toString(16).padStart(2, '0')).join('');
}

export async function selection(host: Host): Promise<Report> {
  const runs: Run[] = [];
  const faults: string[] = [];
  const builds = host.builds ?? (bestBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const));
  for (const { what, model, mmproj, results } of CASES) {
    const bytes = await host.file(model);
    const options: LoadOptions = { ...host.options, context: 256, ...(mmproj === undefined ? {} : { mmproj: await host.file(mmproj) }) };
    for (const build of builds) {
      for (const threads of host.threads) {
        const start = performance.now();
        const llava = await loader.load(bytes, { ...options, build, threads });
        try {
          const digest = await sha256(await results(llava));
          const warm = performance.now();
          const again = await sha256(await results(llava));
          const end = performance.now();
          if (again !== digest) faults.push(`${what}, ${build}, ${threads} threads: cold and warm differ`);
          // One thread in this thread is also what a runtime without threads gives.
          if (llava.engine.threads !== Math.max(1, threads))
            faults.push(`${what}: got ${llava.engine.threads} threads, asked for ${threads}`);
          runs.push({ what, build, threads, digest, coldMs: warm - start, warmMs: end - warm });
        } finally {
          await llava.dispose();
        }
      }
    }
  }
  for (const name of host.pictures ?? ['picture.png', 'picture.jpg']) {
    const { data } = await decodeImage(await host.file(name));
    runs.push({ what: name, build: '-', threads: 0, digest: await sha256([data]), coldMs: 0, warmMs: 0 });
  }
  return { host: host.name, runs, faults };
}

/** What a report and a reference disagree on; with itself: what its own runs disagree on. */
export function differences(report: Report, reference: Report = report): string[] {
  const want = new Map<string, string>();
  for (const run of reference.runs) if (!want.has(run.what)) want.set(run.what, run.digest);
  const differ = report.runs.filter((run) => want.get(run.what) !== run.digest);
  return [...report.faults, ...differ.map((run) => `${run.what}: other bits on the ${run.build} build with ${run.threads} threads`)];
}
