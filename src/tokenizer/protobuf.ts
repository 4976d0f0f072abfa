// A reader for protocol buffers: just the wire format.

import { FormatError } from '../errors.ts';

/** A field: varints as numbers (signed 64 bit within +-2^53), fixed32 as its float, bytes for strings and messages. */
export interface Field {
  readonly number: number;
  readonly int: number;
  readonly float: number;
  readonly bytes: Uint8Array;
}

const EMPTY = new Uint8Array(0);
const truncated = (where: string): never => {
  throw new FormatError('truncated', `${where}: the protobuf message ends inside a field`);
};

/** The fields of one message in file order; fixed64 values are skipped. */
export function* fields(message: Uint8Array, where: string): Generator<Field> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const varint = (): number => {
    // Two halves of 32 bits keep negative numbers exact (ten bytes, two's complement).
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= message.length) truncated(where);
      const byte = message[at++]!;
      if (shift < 28) low |= (byte & 127) << shift;
      else if (shift === 28) {
        low |= (byte & 15) << 28;
        high |= (byte & 127) >> 4;
      } else high |= (byte & 127) << (shift - 32);
      if (byte < 128) return (high | 0) * 2 ** 32 + (low >>> 0);
    }
    throw new FormatError('structure', `${where}: a protobuf number is longer than ten bytes`);
  };
  while (at < message.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    const wire = key & 7;
    if (wire === 0) {
      yield { number, int: varint(), float: 0, bytes: EMPTY };
    } else if (wire === 1 || wire === 5) {
      const length = wire === 1 ? 8 : 4;
      if (at + length > message.length) truncated(where);
      if (wire === 5) yield { number, int: 0, float: view.getFloat32(at, true), bytes: EMPTY };
      at += length;
    } else if (wire === 2) {
      const length = varint();
      if (length < 0 || at + length > message.length) truncated(where);
      yield { number, int: 0, float: 0, bytes: message.subarray(at, at + length) };
      at += length;
    } else {
      throw new FormatError('structure', `${where}: protobuf wire type: got ${wire}, 0, 1, 2 and 5 are known`);
    }
  }
}
