// How far llama.cpp's picture tokens and logits are from LLaVA's: `node scripts/llamacpp-diff.mjs DIR [--float]` for a golden case of a
// LLaVA pair (model.gguf, mmproj.gguf, inputs, and expected outputs of both). Prints one table; docs/llama-cpp.md explains it. `--float`: matrices as
// f32 and no rounding of activations. Run `npm run build` before.
import { join } from 'node:path';
import { openGguf } from '../build/src/formats/gguf.js';
import { Session } from '../build/src/generate/session.js';
import { floats, loadTensors, readCase } from '../build/src/golden/compare.js';
import { best, picture, pictureNames, withModel } from '../build/src/golden/endToEnd.js';
import { openGgufPair } from '../build/src/models/ggufLayout.js';
import { fileSource } from '../build/src/runtime/nodeFiles.js';

const [dir, mode] = process.argv.slice(2);
const precision = mode === '--float' ? 'float' : 'stored';
if (!dir) {
  console.error('usage: node scripts/llamacpp-diff.mjs DIR [--float]');
  process.exit(2);
}

const open = async (file) => openGguf(fileSource(join(dir, file)));
const rms = (x) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
/** Largest and root mean square difference, the latter also as a share of the reference's own. */
function difference(got, want) {
  if (got.length !== want.length) return `${got.length} values instead of ${want.length}`;
  const d = Float64Array.from(want, (w, i) => got[i] - w);
  const largest = d.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  return `${largest.toPrecision(3)} / ${rms(d).toPrecision(3)} (${((100 * rms(d)) / rms(want)).toPrecision(3)} %)`;
}

const c = readCase(dir);
const [inputs, expected] = await Promise.all(['inputs', 'expected'].map((name) => loadTensors(join(dir, `${name}.safetensors`))));
console.log('largest / rms difference (rms as a share of the reference)\n');
console.log('| picture | what | pumice, reference | llama.cpp, reference | likeliest token: reference, pumice, llama.cpp |');
console.log('|---|---|---|---|---|');
await withModel(openGgufPair(await open('model.gguf'), await open('mmproj.gguf')), { precision }, async ({ model, programs }) => {
  for (const [i, name] of pictureNames(inputs).entries()) {
    const image = picture(inputs, name);
    const rows = { ...(await model.encoder.encode(programs, image)), key: name };
    const { token_ids_before: before, token_ids_after: after } = c.params.images[i];
    const { logits } = await new Session(programs, model.decoder).prefill([...before, rows, ...after]);
    for (const [what, key, got] of [
      ['picture tokens', 'image_embeddings', rows.features],
      ['last logits', 'logits_last', logits],
    ]) {
      const [want, theirs] = [floats(expected, `${key}_${i}`), floats(expected, `${key}_llamacpp_${i}`)];
      const tokens = key === 'logits_last' ? [want, got, theirs].map(best).join(', ') : '';
      console.log(`| ${image.width} x ${image.height} | ${what} | ${difference(got, want)} | ${difference(theirs, want)} | ${tokens} |`);
    }
  }
});
