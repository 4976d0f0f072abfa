// Writes a snapshot for the WASI command: a model loaded, a picture encoded, a question tokenized, the programs ready to run.
// Usage: node scripts/snapshot.mjs MODEL PICTURE QUESTION OUT. Prints the answer that the command must give.
import { closeSync, openSync, writeSync } from 'node:fs';
import * as h from '../build/assembly/wasi/header.js';
import { setKvRows } from '../build/src/graph/kv.js';
import { Llava } from '../build/src/index.js';

const [model, picture, question, out] = process.argv.slice(2);
const MAX_TOKENS = 32;
const llava = await Llava.load(model, { threads: 0, context: 512 });
const { engine, programs, tokenizer } = llava;
const { decoder } = llava.model;
const messages = [
  {
    role: 'user',
    content: [
      { type: 'image', image: picture },
      { type: 'text', text: question },
    ],
  },
];
const ids = [];
for await (const chunk of llava.chat(messages, { maxTokens: MAX_TOKENS })) ids.push(...chunk.ids);

// The prompt's rows again: the run has used their places for other things.
const image = await llava.embedImage(picture);
const rows = llava
  .promptIds(messages)
  .flatMap((id) => (id === -200 ? Array.from({ length: image.rows }, (_, row) => ({ id: -1, row })) : [{ id }]));
const width = image.features.length / image.rows;
const hidden = new Float32Array(rows.length * width);
rows.forEach(({ row }, i) => {
  if (row !== undefined) hidden.set(image.features.subarray(row * width, (row + 1) * width), i * width);
});
// The command takes no memory of its own.
for (const cache of decoder.caches) setKvRows(engine, cache, rows.length + MAX_TOKENS);
const missing = () => {
  throw new Error('the answer has not made its programs');
};
const prefill = await programs.get('prefill', missing);
const decode = await programs.get('decode', missing);
engine.setCell(decoder.past, 0);
engine.setCell(decoder.rows, rows.length);
engine.write(
  prefill,
  'ids',
  Int32Array.from(rows, (r) => r.id),
);
engine.write(
  prefill,
  'positions',
  Int32Array.from(rows, (_, i) => i),
);
engine.write(prefill, 'hidden', hidden);

const header = new DataView(new ArrayBuffer(h.HEADER_BYTES));
const put = (at, value) => header.setUint32(at, value, true);
const input = (name) => engine.locate(decode, decode.plan.graph.inputs.get(name));
const next = (program) => engine.locate(program, program.plan.readable.get('next'));
const ends = [...tokenizer.endOfGeneration].slice(0, h.MAX_ENDS);
// Behind another token: alone, many tokens lose the space before them.
const before = tokenizer.decode([ids[0]]);
const texts = Array.from({ length: tokenizer.size }, (_, id) => Buffer.from(tokenizer.decode([ids[0], id]).slice(before.length)));
const offsets = new Uint32Array(texts.length + 1);
offsets[0] = offsets.byteLength;
texts.forEach((t, i) => {
  offsets[i + 1] = offsets[i] + t.length;
});
const memory = engine.bytes.subarray(h.FIRST_BYTE, engine.heap.used);
for (const [at, value] of [
  [h.H_MAGIC, h.MAGIC],
  [h.H_MEMORY, memory.length],
  [h.H_TABLE, offsets.at(-1)],
  [h.H_PREFILL, engine.addressOf(prefill)],
  [h.H_PREFILL_COUNT, prefill.count],
  [h.H_DECODE, engine.addressOf(decode)],
  [h.H_DECODE_COUNT, decode.count],
  [h.H_PREFILL_NEXT, next(prefill)],
  [h.H_DECODE_NEXT, next(decode)],
  [h.H_IDS, input('ids')],
  [h.H_POSITIONS, input('positions')],
  [h.H_PAST, engine.cell(decoder.past)],
  [h.H_ROWS, engine.cell(decoder.rows)],
  [h.H_PROMPT, rows.length],
  [h.H_MAX_TOKENS, MAX_TOKENS],
  [h.H_VOCABULARY, tokenizer.size],
  [h.H_ENDS, ends.length],
  ...ends.map((id, i) => [h.H_ENDS + 4 * (i + 1), id]),
])
  put(at, value);
const file = openSync(out, 'w');
for (const part of [new Uint8Array(header.buffer), memory, new Uint8Array(offsets.buffer), ...texts]) writeSync(file, part);
closeSync(file);
console.log(Buffer.concat(ids.map((id) => texts[id])).toString());
await llava.dispose();
