// `pumice inspect FILE`: what is in a GGUF or safetensors file.

import type { Writable } from 'node:stream';
import { FormatError } from '../errors.ts';
import { openGguf } from '../formats/gguf.ts';
import type { GgufValue } from '../formats/ggufMetadata.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import type { ByteSource } from '../formats/source.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import { fileSource } from '../runtime/nodeFiles.ts';

export interface InspectOptions {
  readonly json?: boolean;
  readonly tensors?: boolean;
}

/** Prints metadata, tensor types and sizes. Throws FormatError for other files. */
export async function inspect(path: string, options: InspectOptions, out: Writable): Promise<void> {
  const source = fileSource(path);
  try {
    const { kind, metadata, files } = await open(source);
    const tensors = [...files.tensors.values()];
    const byType = new Map<string, { tensors: number; bytes: number }>();
    for (const t of tensors) {
      const sum = byType.get(t.type) ?? { tensors: 0, bytes: 0 };
      byType.set(t.type, { tensors: sum.tensors + 1, bytes: sum.bytes + t.bytes });
    }
    if (options.json) {
      const types = Object.fromEntries(byType);
      out.write(
        `${JSON.stringify({ path, kind, bytes: source.size, metadata: Object.fromEntries(metadata), types, tensors: tensors.map(({ name, type, shape, bytes }) => ({ name, type, shape, bytes })) }, null, 1)}\n`,
      );
      return;
    }
    out.write(`${path}: ${kind}, ${mib(source.size)}, ${tensors.length} tensors\n`);
    for (const [key, value] of metadata) out.write(`  ${key} = ${value}\n`);
    out.write('types:\n');
    for (const [type, { tensors: n, bytes }] of byType)
      out.write(`  ${type.padEnd(8)} ${String(n).padStart(5)} tensors  ${mib(bytes).padStart(12)}\n`);
    if (options.tensors) {
      out.write('tensors:\n');
      for (const t of tensors) out.write(`  ${t.name}  ${t.type}[${t.shape.join(', ')}]  ${mib(t.bytes)}\n`);
    }
  } finally {
    await source.close();
  }
}

async function open(source: ByteSource): Promise<{ kind: string; metadata: Map<string, string>; files: TensorFiles }> {
  const head = new Uint8Array(Math.min(8, source.size));
  await source.readInto(head, 0);
  if (new TextDecoder().decode(head.subarray(0, 4)) === 'GGUF') {
    const files = await openGguf(source);
    return { kind: `GGUF v${files.version}`, metadata: new Map([...files.metadata].map(([k, v]) => [k, shown(v)])), files };
  }
  try {
    return { kind: 'safetensors', metadata: new Map(), files: await openSafetensors(source) };
  } catch (e) {
    if (e instanceof FormatError) throw new FormatError(e.code, `${e.message} (tried as GGUF and as safetensors)`);
    throw e;
  }
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

/** A value on one line: long arrays by their length and first items. */
function shown({ type, value }: GgufValue): string {
  const clip = (text: string) => (text.length > 120 ? `${text.slice(0, 117)}...` : text);
  const plain = (v: unknown): string =>
    typeof v === 'string' ? JSON.stringify(v) : v instanceof Uint8Array ? `<${v.length} bytes>` : String(v);
  if (type !== 'array') return clip(plain(value));
  const { of, items } = value;
  const first: string[] = [];
  for (const item of items) {
    if (first.length === 4) break;
    first.push(clip(plain(item)));
  }
  return `${of}[${items.length}] ${first.join(', ')}${items.length > 4 ? ', ...' : ''}`;
}
