// Files as torch.save writes them: a zip archive of stored members, whose pickle names f32 tensors.

export interface TorchWrite {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Tensors of a state dict, each in a storage of its own. */
export function torchBin(tensors: ReadonlyMap<string, TorchWrite>): Uint8Array {
  const storages = [...tensors.values()].map(({ values }, i): [string, Uint8Array] => [
    `archive/data/${i}`,
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  ]);
  return zip([['archive/data.pkl', pickle(tensors)], ...storages]);
}

/** Protocol 2: {name: _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())}. */
function pickle(tensors: ReadonlyMap<string, TorchWrite>): Uint8Array {
  const out: number[] = [0x80, 2, 0x7d, 0x28];
  const put = (s: string) => out.push(...new TextEncoder().encode(s));
  const int = (n: number) => out.push(0x4a, n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24);
  const text = (s: string) => {
    out.push(0x58, s.length & 255, s.length >> 8, 0, 0);
    put(s);
  };
  const tuple = (ints: readonly number[]) => {
    out.push(0x28);
    for (const n of ints) int(n);
    out.push(0x74);
  };
  let key = 0;
  for (const [name, { shape, values }] of tensors) {
    text(name);
    put('ctorch._utils\n_rebuild_tensor_v2\n((');
    text('storage');
    put('ctorch\nFloatStorage\n');
    text(String(key++));
    text('cpu');
    int(values.length);
    put('tQ');
    int(0);
    tuple(shape);
    tuple(shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)));
    out.push(0x89);
    put('ccollections\nOrderedDict\n)RtR');
  }
  put('u.');
  return Uint8Array.from(out);
}

/** Stored members; checksums are 0, which no reader of checkpoints looks at. */
function zip(members: readonly (readonly [name: string, bytes: Uint8Array])[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const push = (to: Uint8Array[], ...bytes: Uint8Array[]) => {
    to.push(...bytes);
    return bytes.reduce((n, b) => n + b.length, 0);
  };
  const fields = (size: number, values: readonly (readonly [offset: number, bytes: 2 | 4, value: number])[]): Uint8Array => {
    const view = new DataView(new ArrayBuffer(size));
    for (const [offset, bytes, value] of values) {
      if (bytes === 2) view.setUint16(offset, value, true);
      else view.setUint32(offset, value, true);
    }
    return new Uint8Array(view.buffer);
  };
  let directoryBytes = 0;
  for (const [text, bytes] of members) {
    const name = new TextEncoder().encode(text);
    const sizes = (from: number) => [
      [from, 4, bytes.length] as const,
      [from + 4, 4, bytes.length] as const,
      [from + 8, 2, name.length] as const,
    ];
    directoryBytes += push(directory, fields(46, [[0, 4, 0x02014b50], ...sizes(20), [42, 4, at]]), name);
    at += push(parts, fields(30, [[0, 4, 0x04034b50], ...sizes(18)]), name, bytes);
  }
  const end = fields(22, [
    [0, 4, 0x06054b50],
    [8, 2, members.length],
    [10, 2, members.length],
    [12, 4, directoryBytes],
    [16, 4, at],
  ]);
  return Buffer.concat([...parts, ...directory, end]);
}
