// What quantizing costs: for each type the error of the weights, exact answers, and the perplexity of the right ones.
//   node build/bench/quality.js [--model MODEL.gguf] [--set DIR] [--types q8_0,q4_k_m] [--limit 200]
// The model is quantized in memory from what the file holds (the embedded one: Q8_0), with matrices in each type by role.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { requantized } from '../src/convert/fromGguf.ts';
import { mixOf } from '../src/convert/mix.ts';
import { ggufStream } from '../src/convert/write.ts';
import { answerItems, type Item, parseItems } from '../src/evaluate.ts';
import { dequantize } from '../src/formats/dequantize.ts';
import { type GgufFile, openGguf } from '../src/formats/gguf.ts';
import { bufferSource } from '../src/formats/source.ts';
import { Llava } from '../src/index.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import { fileSource } from '../src/runtime/nodeFiles.ts';

const MODELS = fileURLToPath(new URL('../../models/', import.meta.url));
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: join(MODELS, 'pebble.gguf') },
    set: { type: 'string', default: join(MODELS, 'eval') },
    types: {
      type: 'string',
      default: 'f16,q8_0,q6_k,q5_k_m,q5_1,q5_0,q4_k_m,q4_1,q4_0,iq4_nl,iq4_xs,q3_k_m,q2_k',
    },
    limit: { type: 'string', default: '200' },
  },
});

async function bytesIn(source: GgufFile, type: string): Promise<Uint8Array> {
  const stream = ggufStream(requantized(source, mixOf(type)), nodePlatform);
  const bytes = new Uint8Array(stream.bytes);
  let at = 0;
  for await (const piece of stream.pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

async function weights(file: GgufFile, name: string): Promise<Float32Array> {
  const info = file.tensors.get(name)!;
  const stored = new Uint8Array(info.bytes);
  await file.readInto(info, stored);
  return dequantize(info.type, stored);
}

/** Root of the mean squared error of all matrices over the root of their mean square. */
async function error(source: GgufFile, file: GgufFile): Promise<number> {
  let wrong = 0;
  let all = 0;
  for (const { name, shape } of source.tensors.values()) {
    if (shape.length < 2) continue;
    const [want, got] = [await weights(source, name), await weights(file, name)];
    want.forEach((v, i) => {
      wrong += (v - got[i]!) ** 2;
      all += v * v;
    });
  }
  return Math.sqrt(wrong / all);
}

/** Share of exact answers, and the perplexity of the right answers' tokens. */
async function quality(model: Llava, items: readonly Item[]): Promise<{ right: number; perplexity: number }> {
  const picture = async (path: string) => new Uint8Array(readFileSync(join(values.set, path)));
  let right = 0;
  for await (const o of answerItems(model, items, picture)) if (o.got === o.answer) right++;
  let sum = 0;
  let count = 0;
  for (const item of items) {
    const content = [
      { type: 'image' as const, image: await picture(item.picture) },
      { type: 'text' as const, text: item.question },
    ];
    const score = await model.score([
      { role: 'user', content },
      { role: 'assistant', content: item.answer },
    ]);
    sum += score.sum;
    count += score.count;
  }
  return { right: right / items.length, perplexity: Math.exp(-sum / count) };
}

const source = await openGguf(fileSource(values.model));
const file = join(values.set, 'pairs.jsonl');
const all = parseItems(readFileSync(file, 'utf8'), file);
// Evenly over the set, whose pictures come in groups.
const step = Math.max(1, all.length / Number(values.limit));
const items = Array.from({ length: Math.min(all.length, Number(values.limit)) }, (_, i) => all[Math.floor(i * step)]!);
console.log(
  `${values.model}: ${items.length} questions\n\n| type | MiB | error of the weights | exact answers | perplexity |\n|---|---|---|---|---|`,
);
for (const type of values.types.split(',')) {
  const bytes = await bytesIn(source, type);
  const quantized = await openGguf(bufferSource(bytes, type));
  await using model = await Llava.load(bytes);
  const { right, perplexity } = await quality(model, items);
  console.log(
    `| ${type.toUpperCase()} | ${(bytes.length / 2 ** 20).toFixed(2)} | ${(100 * (await error(source, quantized))).toFixed(2)} % | ${(100 * right).toFixed(1)} % | ${perplexity.toFixed(4)} |`,
  );
}
