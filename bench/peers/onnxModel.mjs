// An ONNX model of one node, written field by field: com.microsoft.MatMulNBits, 4 bits in blocks of 32, random weights.

const varint = (n) => {
  const bytes = [];
  for (let v = BigInt(n); ; v >>= 7n) {
    if (v < 128n) {
      bytes.push(Number(v));
      return Uint8Array.from(bytes);
    }
    bytes.push(Number(v & 127n) | 128);
  }
};
const join = (...parts) => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
};
const int = (field, n) => join(varint(field << 3), varint(n));
const bytes = (field, b) => join(varint((field << 3) | 2), varint(b.length), b);
const text = (field, s) => bytes(field, new TextEncoder().encode(s));

const attribute = (name, value) => bytes(5, join(text(1, name), int(3, value), int(20, 2)));
const tensor = (name, dims, type, data) => bytes(5, join(...dims.map((d) => int(1, d)), int(2, type), text(8, name), bytes(9, data)));
const value = (field, name, cols) => {
  const shape = join(bytes(1, text(2, 'rows')), bytes(1, int(1, cols)));
  return bytes(field, join(text(1, name), bytes(2, bytes(1, join(int(1, 1), bytes(2, shape))))));
};

/** x f32 [rows, k] -> y f32 [rows, n]. */
export function matMulNBits(k, n) {
  const weights = Uint8Array.from({ length: (n * k) / 2 }, (_, i) => (i * 2654435761) >>> 13);
  const scales = new Uint8Array(Float32Array.from({ length: (n * k) / 32 }, (_, i) => 0.01 + (i % 7) / 1000).buffer);
  const node = join(
    text(1, 'x'),
    text(1, 'w'),
    text(1, 's'),
    text(2, 'y'),
    text(4, 'MatMulNBits'),
    ...Object.entries({ K: k, N: n, bits: 4, block_size: 32, accuracy_level: 4 }).map(([name, v]) => attribute(name, v)),
    text(7, 'com.microsoft'),
  );
  const graph = join(
    bytes(1, node),
    text(2, 'g'),
    tensor('w', [n, k / 32, 16], 2, weights),
    tensor('s', [(n * k) / 32], 1, scales),
    value(11, 'x', k),
    value(12, 'y', n),
  );
  return join(int(1, 8), bytes(7, graph), bytes(8, join(text(1, ''), int(2, 17))), bytes(8, join(text(1, 'com.microsoft'), int(2, 1))));
}
