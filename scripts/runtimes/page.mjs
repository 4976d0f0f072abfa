// The selection on a page: `run(threads)` for the test to call.
import { selection } from './selection.js';

const file = async (name) => new Uint8Array(await (await fetch(`/files/${name}`)).arrayBuffer());

globalThis.run = (name, threads, options) => selection({ name, file, threads, options });
