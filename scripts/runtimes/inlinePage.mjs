// The same for bundlers that do not copy kernels and workers: kernels inline, one thread.
import { kernels } from 'pumice/inline';
import { selection } from './selection.js';

const file = async (name) => new Uint8Array(await (await fetch(`/files/${name}`)).arrayBuffer());

globalThis.run = (name, threads) => selection({ name, file, threads, options: { wasm: kernels } });
