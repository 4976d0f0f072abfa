// GPT-2's printable alphabet: every byte as one character, so that byte sequences can be written in JSON.

/** Character of each byte: 33..126, 161..172 and 174..255 are themselves, the other 68 count up from U+0100. */
export const charOfByte: readonly string[] = /* @__PURE__ */ makeAlphabet();

function makeAlphabet(): string[] {
  let other = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const plain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(plain ? byte : other++);
  });
}

const byteOfChar: Int16Array = /* @__PURE__ */ (() => {
  const table = new Int16Array(256 + 68).fill(-1);
  charOfByte.forEach((char, byte) => {
    table[char.charCodeAt(0)] = byte;
  });
  return table;
})();

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** The UTF-8 bytes of a text in the alphabet. */
export function toAlphabet(text: string): string {
  let ascii = '';
  for (let i = 0; ; i++) {
    if (i === text.length) return ascii;
    const code = text.charCodeAt(i);
    if (code > 127) break;
    ascii += charOfByte[code]!;
  }
  let out = '';
  for (const byte of encoder.encode(text)) out += charOfByte[byte]!;
  return out;
}

/** Bytes in the alphabet. */
export function bytesToAlphabet(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += charOfByte[byte]!;
  return out;
}

/** Writes the bytes that `text` stands for at `target[at]`; -1 when a character is not of the alphabet, else the new end. */
export function fromAlphabet(text: string, target: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const byte = code < byteOfChar.length ? byteOfChar[code]! : -1;
    if (byte < 0) return -1;
    target[at + i] = byte;
  }
  return at + text.length;
}
