// Whole models against the reference: pixels, tower, projector, spliced rows, layers, logits, greedy tokens, in this order.

import { type ImageRows, type Piece, Session } from '../generate/session.ts';
import type { RgbImage } from '../image/image.ts';
import { concat } from '../models/concat.ts';
import type { Checkpoint, Model, ModelOptions } from '../models/model.ts';
import { openModel } from '../models/registry.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { Programs } from '../runtime/programs.ts';
import { assertClose, assertSame, floats, type GoldenCase, integers, type LoadedTensor, Mismatch } from './compare.ts';

export type Tensors = ReadonlyMap<string, LoadedTensor>;

export interface OpenModel {
  readonly engine: Engine;
  readonly model: Model;
  readonly programs: Programs;
}

/** What the harness was told about how models run. */
export const running: { stageBytes?: number } = {};

/** Opens a model in the calling thread with a float cache: what the tolerances are made for. */
export async function withModel<T>(checkpoint: Checkpoint, options: ModelOptions, body: (m: OpenModel) => Promise<T>): Promise<T> {
  const engine = await Engine.create(nodePlatform, { threads: 0, ...running });
  try {
    const model = await openModel(checkpoint, { cacheType: 'kv-f32', ...options });
    return await body({ engine, model, programs: new Programs(engine, model.weights) });
  } finally {
    await engine.dispose();
    await checkpoint.files.close();
  }
}

/** Compares by name, with the case's tolerance, and remembers what was compared. */
export class Comparison {
  readonly case: GoldenCase;
  readonly expected: Tensors;
  readonly seen: Set<string> = new Set();

  constructor(c: GoldenCase, expected: Tensors) {
    this.case = c;
    this.expected = expected;
  }

  wants(name: string): boolean {
    return this.expected.has(name);
  }

  close(name: string, got: Float32Array): void {
    if (!this.wants(name)) return;
    this.seen.add(name);
    assertClose(name, got, floats(this.expected, name), this.case.tolerance[name] ?? { atol: 1e-5, rtol: 1e-5 });
  }

  /** Throws when an expected tensor was not compared and is not optional. */
  finish(): void {
    const optional = new Set([...((this.case.params.optional_tensors as string[] | undefined) ?? []), ...(this.case.informative ?? [])]);
    const missed = [...this.expected.keys()].filter((n) => !this.seen.has(n) && !optional.has(n));
    if (missed.length) throw new Mismatch(`not compared: ${missed.join(', ')}`);
  }
}

/** The uint8 HWC picture `name` of the inputs. */
export function picture(inputs: Tensors, name: string): RgbImage {
  const t = inputs.get(name);
  if (t?.shape.length !== 3) throw new Mismatch(`inputs: no picture ${name}`);
  return { height: t.shape[0]!, width: t.shape[1]!, data: t.data as Uint8Array };
}

export const pictureNames = (inputs: Tensors): string[] =>
  [...inputs.keys()].filter((n) => /^image_\d+$/.test(n)).sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)));

/** Encodes all pictures and compares every tensor of the tower. */
export async function encodePictures({ model, programs }: OpenModel, inputs: Tensors, cmp: Comparison): Promise<ImageRows[]> {
  const stacks = new Map<string, Float32Array[]>();
  const push = (name: string, data: Float32Array) => {
    if (!stacks.has(name)) stacks.set(name, []);
    stacks.get(name)!.push(data);
  };
  const images: ImageRows[] = [];
  for (const name of pictureNames(inputs)) {
    const keep = [...cmp.expected.keys()].filter((n) => /^(vision|vit|ln_vision|qformer)(_|$)/.test(n));
    const rows = await model.encoder!.encode(programs, picture(inputs, name), {
      keep,
      visit: (program, pixels) => {
        push('pixel_values', pixels);
        push(`pixel_values_${images.length}`, pixels);
        for (const k of program.plan.readable.keys()) push(k, programs.engine.read(program, k));
      },
    });
    images.push({ ...rows, key: name });
  }
  const isPixels = (k: string) => k.startsWith('pixel_values');
  const order = [
    ...[...stacks.keys()].filter(isPixels),
    ...[...stacks.keys()].filter((k) => !isPixels(k) && k !== 'projected'),
    'projected',
  ];
  padTiles(stacks, cmp);
  for (const name of order) if (stacks.has(name)) cmp.close(name, concat(stacks.get(name)!));
  return images;
}

/** HF-native cases stack all pictures' tiles and fill up with zero tiles. */
function padTiles(stacks: Map<string, Float32Array[]>, cmp: Comparison): void {
  const shape = cmp.expected.get('pixel_values')?.shape;
  if (shape?.length !== 5 || shape[0]! < 2) return;
  const [pictures, tiles] = shape as [number, number];
  const all: Float32Array[] = [];
  for (let i = 0; i < pictures; i++) {
    const own = stacks.get(`pixel_values_${i}`) ?? [];
    all.push(...own, ...Array.from({ length: tiles - own.length }, () => new Float32Array(own[0]!.length)));
  }
  stacks.set('pixel_values', all);
}

/** Prompt ids with -200 (or the HF-native image id) at each picture -> pieces. */
export function splice(
  ids: ArrayLike<number>,
  images: readonly ImageRows[],
  next: { image: number } = { image: 0 },
  imageId = -200,
): Piece[] {
  return Array.from(ids, (id) => (id === imageId ? images[next.image++]! : id));
}

/** Scores the prompt and compares what the language model gives at every row. */
export async function compareScore(
  m: OpenModel,
  prompt: readonly Piece[],
  cmp: Comparison,
  names: ReadonlyMap<string, string>,
): Promise<void> {
  const session = new Session(m.programs, m.model.decoder);
  const parts = new Map<string, Float32Array[]>();
  const keep = [...names.keys()].filter((n) => n !== 'logits');
  await session.score(
    prompt,
    (program) => {
      for (const n of names.keys()) {
        if (!parts.has(n)) parts.set(n, []);
        parts.get(n)!.push(m.engine.read(program, n));
      }
    },
    { keep },
  );
  for (const [tap, expected] of names) cmp.close(expected, concat(parts.get(tap)!));
}

/** Greedy tokens after the prompt, and the logits that chose each. */
export async function greedy(session: Session, prompt: readonly Piece[], count: number): Promise<{ ids: number[]; logits: Float32Array }> {
  let { logits } = await session.prefill(prompt);
  const all: Float32Array[] = [];
  const ids: number[] = [];
  for (let i = 0; ; i++) {
    all.push(logits);
    ids.push(best(logits));
    if (i + 1 === count) break;
    logits = await session.step(ids.at(-1)!);
  }
  return { ids, logits: concat(all) };
}

export function best(logits: Float32Array): number {
  let at = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[at]!) at = i;
  return at;
}

/** The standard case: pictures, prompt ids, logits of the whole prefill, greedy tokens. */
export async function standardCase(m: OpenModel, c: GoldenCase, inputs: Tensors, expected: Tensors): Promise<void> {
  const cmp = new Comparison(c, expected);
  const images = m.model.encoder ? await encodePictures(m, inputs, cmp) : [];
  const prompt = splice(integers(inputs, 'input_ids'), images, { image: 0 }, c.params.image_token_id as number | undefined);
  const taps = new Map(
    [...['inputs_embeds', 'lm_final_norm'], ...[...expected.keys()].filter((n) => n.startsWith('lm_hidden_'))].map((n) => [n, n]),
  );
  taps.set('logits', 'logits');
  await compareScore(m, prompt, cmp, new Map([...taps].filter(([, n]) => expected.has(n))));
  const g = c.greedy as { token_ids: number[] } | undefined;
  if (g && expected.has('step_logits')) {
    const { ids, logits } = await greedy(new Session(m.programs, m.model.decoder), prompt, g.token_ids.length);
    cmp.close('step_logits', logits);
    assertSame('greedy', ids, g.token_ids);
  }
  cmp.finish();
}
