// Runs the WASI command in this Node: node scripts/wasi.mjs BUILD < SNAPSHOT.
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const wasi = new WASI({ version: 'preview1' });
const wasm = readFileSync(new URL(`../build/wasm/pumice.${process.argv[2]}.wasm`, import.meta.url));
const { instance } = await WebAssembly.instantiate(wasm, wasi.getImportObject());
process.exitCode = wasi.start(instance);
