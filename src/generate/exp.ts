// exp(x) for x <= 0 from additions and multiplications only: engines may round their Math.exp differently.

// ln 2 in two parts: k * HIGH is exact for |k| < 2^21.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const FACTORIALS: readonly number[] = /* @__PURE__ */ Array.from({ length: 14 }, (_, n) => {
  let f = 1;
  for (let i = 2; i <= n; i++) f *= i;
  return f;
});

const bits: Float64Array<ArrayBuffer> = /* @__PURE__ */ new Float64Array(1);
const words: Uint32Array<ArrayBuffer> = /* @__PURE__ */ new Uint32Array(bits.buffer);

/** e^x, exact to a few units in the last place; 0 below the range of normal numbers. x must not be positive. */
export function exp(x: number): number {
  const k = Math.round(x / LN2_HIGH);
  if (!(k > -1022)) return 0;
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = 0;
  for (let n = 13; n >= 0; n--) sum = sum * r + 1 / FACTORIALS[n]!;
  words[0] = 0;
  words[1] = (k + 1023) << 20; // 2^k; WebAssembly's hosts are little-endian
  return sum * bits[0]!;
}
