// `pumice run`: one question, one answer.

import { readFile } from 'node:fs/promises';
import { Llava, type LoadOptions, type MessagePart, type PictureOptions, type Usage } from '../index.ts';
import { parsePruning } from '../models/pruning.ts';
import { ExpertLoads } from '../profile/experts.ts';
import { Profile } from '../profile/profile.ts';
import { embedded } from './embedded.ts';
import { type ProfileOptions, report } from './profile.ts';
import { progress } from './progress.ts';
import { writeWhole } from './writeFile.ts';

export interface RunOptions extends ProfileOptions {
  readonly image: readonly string[];
  readonly model?: string;
  readonly mmproj?: string;
  readonly tower?: string;
  readonly adapter?: string;
  readonly offline?: boolean;
  readonly threads: number | 'auto';
  readonly build?: 'simd' | 'relaxed';
  readonly ctxSize?: number;
  readonly cacheType: 'f32' | 'f16' | 'q8';
  readonly imageMode?: 'pad' | 'square';
  /** Method and numbers: `fastv:2:0.5`. */
  readonly prune?: string;
  readonly keepRate?: number;
  readonly visualTokens?: number;
  readonly slices?: number;
  readonly preResize?: number | 'none';
  /** File for a drawing of the pictures. */
  readonly explain?: string;
  readonly conversation?: string;
  readonly system?: string;
  readonly maxTokens: number;
  readonly temp: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repeatPenalty: number;
  readonly seed?: number;
  readonly stop: readonly string[];
  /** File of an earlier `saveState`: the conversation goes on. */
  readonly state?: string;
  /** File for the conversation, its pictures and the cache. */
  readonly saveState?: string;
  readonly json?: boolean;
  readonly stats?: boolean;
}

/** `pumice profile`: the same run with a profile. */
export const profile = (question: string | undefined, o: RunOptions): Promise<void> => run(question, { ...o, profile: true });

export async function run(question: string | undefined, o: RunOptions): Promise<void> {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  const bars = progress();
  let llava: Llava | undefined;
  try {
    const model = embedded(o.model);
    const content: MessagePart[] = [
      ...o.image.map((image): MessagePart => ({ type: 'image', image })),
      { type: 'text', text: question ?? (o.image.length ? 'Describe the picture.' : 'Hello!') },
    ];
    const started = performance.now();
    llava = await Llava.load(model, {
      ...loadOptions(o),
      onProgress: (done, total) => bars.update('load', mib(done), mib(total), 'MiB'),
      onDownload: (file, done, total) => bars.update(file.split('/').at(-1) ?? file, mib(done), mib(total ?? done), 'MiB'),
      signal: controller.signal,
    });
    const loadMs = performance.now() - started;
    const profiling =
      o.profile || o.trace
        ? new Profile([llava.programs, llava.vision], o.overhead === undefined ? {} : { overhead: o.overhead })
        : undefined;
    // Loaded only where it is asked for: jimp is large.
    const drawings = o.explain === undefined ? undefined : new (await import('./explain.ts')).Drawings();
    const before = o.state === undefined ? [] : await llava.restoreState(await readFile(o.state));
    const experts = o.experts ? new ExpertLoads() : undefined;
    const reply = llava.chat(
      [...before, ...(o.system === undefined ? [] : [{ role: 'system' as const, content: o.system }]), { role: 'user', content }],
      {
        maxTokens: o.maxTokens,
        temperature: o.temp,
        topK: o.topK,
        topP: o.topP,
        minP: o.minP,
        repetitionPenalty: o.repeatPenalty,
        ...(o.seed === undefined ? {} : { seed: o.seed }),
        stop: o.stop,
        signal: controller.signal,
        ...pictureOptions(o),
        ...(experts && { onRouting: (routing) => experts.add(routing) }),
        ...(o.keepRate === undefined ? {} : { keepRate: o.keepRate }),
        ...(drawings && { explain: (i, image, view) => drawings.add(i, image, view) }),
        onImage: (done, total) => bars.update('pictures', done, total, ''),
        onPrefill: (done, total) => bars.update('prompt', done, total, 'rows'),
      },
    );
    let text = '';
    for await (const chunk of reply) {
      bars.stop();
      text += chunk.text;
      // The space before the first word belongs to the template.
      if (!o.json) process.stdout.write(text === chunk.text ? chunk.text.trimStart() : chunk.text);
    }
    const usage = await reply.usage;
    if (o.json)
      process.stdout.write(
        `${JSON.stringify({ text: text.trim(), model, build: llava.engine.build, threads: llava.engine.threads, loadMs, usage }, null, 1)}\n`,
      );
    else process.stdout.write('\n');
    if (o.stats) process.stderr.write(stats(usage, loadMs, llava));
    if (o.saveState !== undefined) {
      const state = await llava.saveState();
      await writeWhole({ path: o.saveState, bytes: state.length, pieces: () => [state] }, 'state', controller.signal);
    }
    if (o.explain) await drawings?.write(o.explain);
    if (profiling)
      await report(
        profiling,
        llava.engine.build,
        o,
        [`model ${model}, Node ${process.versions.node}`, ...stats(usage, loadMs, llava).trim().split('\n')],
        experts,
      );
  } finally {
    bars.stop();
    await llava?.dispose();
    process.removeListener('SIGINT', interrupt);
  }
}

const loadOptions = (o: RunOptions): LoadOptions => ({
  threads: o.threads,
  cacheType: `kv-${o.cacheType}`,
  ...(o.build === undefined ? {} : { build: o.build }),
  ...(o.mmproj === undefined ? {} : { mmproj: o.mmproj }),
  ...(o.tower === undefined ? {} : { tower: o.tower }),
  ...(o.adapter === undefined ? {} : { adapter: o.adapter }),
  ...(o.offline === undefined ? {} : { offline: o.offline }),
  ...(o.ctxSize === undefined ? {} : { context: o.ctxSize }),
  ...(o.imageMode === undefined ? {} : { imageMode: o.imageMode }),
  ...(o.prune === undefined ? {} : { prune: parsePruning(o.prune) }),
  ...(o.conversation === undefined ? {} : { conversation: o.conversation }),
});

/** Choices per picture out of the options of a command. */
export const pictureOptions = (o: Pick<RunOptions, 'visualTokens' | 'slices' | 'preResize'>): PictureOptions => ({
  ...(o.visualTokens === undefined ? {} : { visualTokens: o.visualTokens }),
  ...(o.slices === undefined ? {} : { slices: o.slices }),
  ...(o.preResize === undefined ? {} : { preResize: o.preResize === 'none' ? null : o.preResize }),
});

const kib = (bytes: number): number => Math.round(bytes / 2 ** 10);
const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

function stats(u: Usage, loadMs: number, { engine }: Llava): string {
  const rate = (n: number, ms: number) => (ms > 0 ? `${((n * 1000) / ms).toFixed(1)} tokens/s` : '-');
  const gops = (flops: number, ms: number) => (ms > 0 ? `${(flops / ms / 1e6).toFixed(1)} GFLOP/s` : '-');
  const fresh = u.promptTokens - u.cachedTokens;
  return [
    `${engine.build} build, ${engine.threads} threads; load ${loadMs.toFixed(0)} ms`,
    `pictures ${u.imageTokens} rows in ${u.encodeMs.toFixed(0)} ms, ${gops(u.encodeFlops, u.encodeMs)}`,
    `prefill ${fresh} rows (${u.cachedTokens} cached) in ${u.prefillMs.toFixed(0)} ms, ${rate(fresh, u.prefillMs)}, ${gops(u.prefillFlops, u.prefillMs)}`,
    `decode ${u.completionTokens} tokens in ${u.decodeMs.toFixed(0)} ms, ${rate(u.completionTokens - 1, u.decodeMs)}, ${gops(u.decodeFlops, u.decodeMs)}`,
    `cache ${kib(u.kvBytes)} KiB${u.kvBytes < u.kvBytesDense ? ` of ${kib(u.kvBytesDense)} without pruning` : ''}`,
    '',
  ].join('\n');
}
