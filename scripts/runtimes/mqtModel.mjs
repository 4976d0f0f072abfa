// The embedded model with MQT-LLaVA's resampler of random weights in place of its projector: answers say nothing, but a picture has as many
// rows as one asks for. `model`: a GGUF file's bytes; `build`: where the package's modules lie.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export async function mqtModel(model, build) {
  const load = (module) => import(pathToFileURL(join(build, module)).href);
  const [
    { openGguf },
    { bufferSource },
    { joined },
    { openGgufPair },
    { hubContent },
    { ggufStream },
    { MQT_VARIANT },
    { tensorBytes },
    { nodePlatform },
  ] = await Promise.all(
    [
      'formats/gguf.js',
      'formats/source.js',
      'formats/joined.js',
      'models/ggufLayout.js',
      'convert/fromHub.js',
      'convert/write.js',
      'models/synthResamplers.js',
      'formats/ggufWriter.js',
      'runtime/node.js',
    ].map(load),
  );
  const file = await openGguf(bufferSource(model));
  const checkpoint = openGgufPair(file);
  const [width, from] = ['llama.embedding_length', 'clip.vision.embedding_length'].map((key) => file.meta.u32(key));
  const parts = MQT_VARIANT.tensors(width, from, 'f32').map((t) => ({ ...t, bytes: tensorBytes(t) }));
  const random = {
    name: 'random',
    tensors: new Map(parts.map((t) => [t.name, t])),
    async readInto({ type }, target) {
      const bits = new DataView(target.buffer, target.byteOffset, target.byteLength);
      const step = type === 'f16' ? 2 : 4;
      // Small numbers of both signs: 0x2c00 is 1/16 in half precision.
      for (let i = 0, x = 1; i < target.length; i += step) {
        x = (x * 16807) % 2147483647;
        const sign = (x >> 8) & 1;
        if (step === 2) bits.setUint16(i, (sign << 15) | 0x2c00, true);
        else bits.setFloat32(i, (sign ? -1 : 1) / 16, true);
      }
    },
    async close() {},
  };
  const tokenizer = [...file.metadata].filter(([key]) => key.startsWith('tokenizer.'));
  const content = hubContent({ ...checkpoint, files: joined([checkpoint.files, random]) }, { tokenizer });
  const pieces = [];
  for await (const piece of ggufStream(content, nodePlatform).pieces()) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}
