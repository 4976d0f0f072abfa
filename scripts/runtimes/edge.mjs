// The selection in workerd and in edge-runtime; both builds cannot be had there: kernels come by import.
import { selection } from './selection.js';

const run = (name, get) =>
  selection({
    name,
    builds: ['relaxed'],
    threads: [0],
    // edge-runtime's sandbox has no DecompressionStream, which PNG needs.
    ...(typeof DecompressionStream === 'undefined' && { pictures: ['picture.jpg'] }),
    file: async (file) => new Uint8Array(await (await get(`http://files/${file}`)).arrayBuffer()),
  });

globalThis.run = run;

export default {
  fetch: async (_request, env) => Response.json(await run('workerd', (url) => env.FILES.fetch(url))),
};
