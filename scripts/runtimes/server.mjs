// The selection in Node, Deno and Bun. Prints the report.
import { readFile } from 'node:fs/promises';
import { selection } from './selection.js';

const report = await selection({
  name: process.argv[2],
  file: async (name) => new Uint8Array(await readFile(new URL(`./files/${name}`, import.meta.url))),
  threads: [0, 1, 2, 3],
});
console.log(JSON.stringify(report));
