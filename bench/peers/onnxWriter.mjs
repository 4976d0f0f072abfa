// ONNX files, written field by field (onnx.proto: ModelProto, GraphProto, NodeProto, TensorProto).

const varint = (n) => {
  const bytes = [];
  for (let v = BigInt.asUintN(64, BigInt(n)); ; v >>= 7n) {
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
const float = (field, x) => join(varint((field << 3) | 5), new Uint8Array(Float32Array.of(x).buffer));

/** TensorProto.DataType. */
export const TYPES = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7 };

/** Attributes: a number with a fraction, or one given as { float }, is a float; numbers are integers. */
const attribute = ([name, v]) =>
  bytes(5, typeof v === 'object' ? join(text(1, name), float(2, v.float), int(20, 1)) : join(text(1, name), int(3, v), int(20, 2)));

/** Collects a graph. Results are named by their nodes. */
export class OnnxGraph {
  #parts = [];
  #ends = [];
  #names = 0;

  /** A constant. `data` is a typed array in the layout of `type`. */
  constant(type, dims, data) {
    const name = `c${this.#names++}`;
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#parts.push(bytes(5, join(...dims.map((d) => int(1, d)), int(2, TYPES[type]), text(8, name), bytes(9, raw))));
    return name;
  }

  /** Adds a node; returns the name of its first result. `names` gives results names of their own. */
  node(op, inputs, attributes = {}, { domain = '', names = [`t${this.#names++}`] } = {}) {
    const node = [
      ...inputs.map((i) => text(1, i)),
      ...names.map((n) => text(2, n)),
      text(4, op),
      ...Object.entries(attributes).map(attribute),
      text(7, domain),
    ];
    this.#parts.push(bytes(1, join(...node)));
    return names[0];
  }

  /** `dims`: numbers, or names of sizes that vary. */
  input(name, type, dims) {
    this.#value(11, name, type, dims);
    return name;
  }

  output(name, type, dims) {
    this.#value(12, name, type, dims);
  }

  #value(field, name, type, dims) {
    const shape = join(...dims.map((d) => bytes(1, typeof d === 'number' ? int(1, d) : text(2, d))));
    this.#ends.push(bytes(field, join(text(1, name), bytes(2, bytes(1, join(int(1, TYPES[type]), bytes(2, shape)))))));
  }

  /** The file: opset 17 of ONNX, 1 of com.microsoft. */
  file() {
    const graph = join(...this.#parts, text(2, 'g'), ...this.#ends);
    const opset = (domain, version) => bytes(8, join(text(1, domain), int(2, version)));
    return join(int(1, 8), bytes(7, graph), opset('', 17), opset('com.microsoft', 1));
  }
}
