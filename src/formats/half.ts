// Conversions between the 16-bit float formats and float32, by bits. Exact in the widening direction, nearest-even in the other.

const word = new DataView(new ArrayBuffer(4));

/** The float32 with the given bits. */
export function f32FromBits(bits: number): number {
  word.setUint32(0, bits);
  return word.getFloat32(0);
}

/** The bits of a number rounded to float32. */
export function f32Bits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

/** IEEE binary16 bits to a number: exact, with subnormals, infinities and NaN. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** A number, first rounded to float32, to binary16 bits: nearest even, overflow to infinity, NaN to 0x7E00 with the sign kept. */
export function f32ToF16(value: number): number {
  const bits = f32Bits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 = 0x477ff000 is half-way between the largest binary16 and 2^16: it rounds to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14: in units of 2^-24. Exact in float64, so one rounding.
    return sign | roundEven(f32FromBits(magnitude) * 2 ** 24);
  }
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
  return sign | (rounded >>> 13);
}

/** bfloat16 bits to a number: exact. */
export function bf16ToF32(bits: number): number {
  return f32FromBits((bits << 16) >>> 0);
}

/** A number, first rounded to float32, to bfloat16 bits: nearest even; a NaN stays one and becomes quiet. */
export function f32ToBf16(value: number): number {
  const bits = f32Bits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Nearest integer of a number in 0..2^31, ties to even. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor;
}
