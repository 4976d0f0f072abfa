// A Cloudflare worker that answers about a posted picture: curl --data-binary @photo.jpg "https://.../?ask=What+is+this%3F"
import { Llava } from 'pumice';

/** Loaded once per isolate; a failed load is tried again. */
let loading;

const load = (env) => {
  // A small context: an isolate has 128 MB for weights, cache, pictures and all requests.
  loading ??= Promise.resolve(modelOf(env))
    .then((model) => Llava.load(model, { context: 512, chunk: 128 }))
    .catch((e) => {
      loading = undefined;
      throw e;
    });
  return loading;
};

/** Where the weights are: an R2 bucket, static assets (at most 25 MiB a file), or any server that gives ranges. */
function modelOf(env) {
  if (env.BUCKET) return bucketSource(env.BUCKET, env.MODEL_KEY ?? 'pebble.gguf');
  if (env.ASSETS) return assetBytes(env.ASSETS, env.MODEL_KEY ?? 'pebble.gguf');
  return env.MODEL_URL;
}

async function assetBytes(assets, name) {
  const response = await assets.fetch(`https://assets/${name}`);
  if (!response.ok) throw new Error(`${name}: the assets answer ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Reads ranges of an object as they are asked for: no copy of the file is ever in memory. */
async function bucketSource(bucket, key) {
  const head = await bucket.head(key);
  if (!head) throw new Error(`${key}: is not in the bucket`);
  return {
    name: key,
    size: head.size,
    async readInto(target, position) {
      const part = await bucket.get(key, { range: { offset: position, length: target.byteLength } });
      let at = 0;
      for await (const bytes of part.body) {
        target.set(bytes, at);
        at += bytes.length;
      }
    },
    async close() {},
  };
}

export default {
  async fetch(request, env) {
    if (request.method !== 'POST') return new Response('POST a picture (PNG or JPEG)\n', { status: 405 });
    const cold = loading === undefined;
    const started = Date.now();
    const llava = await load(env);
    const loaded = Date.now();
    const image = new Uint8Array(await request.arrayBuffer());
    const text = new URL(request.url).searchParams.get('ask') ?? 'Describe the picture.';
    try {
      const content = [
        { type: 'image', image },
        { type: 'text', text },
      ];
      const reply = llava.chat([{ role: 'user', content }], { maxTokens: 64, signal: request.signal });
      const answer = await reply.text();
      const { promptTokens, completionTokens } = await reply.usage;
      return Response.json({
        answer,
        promptTokens,
        completionTokens,
        cold,
        loadMs: loaded - started,
        answerMs: Date.now() - loaded,
        memoryBytes: llava.engine.bytes.byteLength,
      });
    } catch (e) {
      // Errors of the library have codes; what is wrong with a picture is the caller's business.
      return Response.json({ error: e.message }, { status: e.code === 'input' || e.code === 'unsupported' ? 400 : 500 });
    }
  },
};
