// From the bytes of a picture file to RGB. The decoder is replaceable; the default one covers what people send.

import { InputError, PumiceError, UnsupportedError } from '../errors.ts';
import { headerSize, type ImageFormat, sniff } from './header.ts';
import { checkImage, checkSize, MAX_PIXELS, type RgbImage } from './image.ts';

/** Decodes one picture. Alpha is dropped, palettes are expanded, orientation tags are not applied: what the models were evaluated with. */
export interface ImageDecoder {
  decode(bytes: Uint8Array): Promise<RgbImage>;
}

export interface DecodeOptions {
  /** For messages: a path or URL. Default `image`. */
  readonly name?: string;
  /** Replaces the built-in decoder, for any format. */
  readonly decoder?: ImageDecoder;
  /** Pictures of more pixels are refused, from their header. Default 100 million. */
  readonly maxPixels?: number;
}

/**
 * Decodes PNG, JPEG, BMP and GIF (its first frame).
 * @throws InputError where the file is damaged, empty or too large; UnsupportedError where it is another format. Both name the file.
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  const { name = 'image', decoder, maxPixels = MAX_PIXELS } = options;
  if (bytes.byteLength === 0) throw new InputError(`${name}: is empty: a picture file is expected`);
  const format = sniff(bytes);
  const size = format && headerSize(format, bytes);
  if (size) checkSize(name, size.width, size.height, maxPixels);
  const chosen = decoder ?? builtIn(name, format, bytes);
  let image: RgbImage;
  try {
    image = await chosen.decode(bytes);
  } catch (e) {
    if (e instanceof UnsupportedError) throw new UnsupportedError(`${name}: ${e.message}`);
    const why = e instanceof PumiceError || decoder ? (e as Error).message : 'its data are damaged';
    throw new InputError(`${name}: cannot be decoded${format ? ` as ${format.toUpperCase()}` : ''}: ${why}`, { cause: e });
  }
  checkImage(name, image, maxPixels);
  return image;
}

function builtIn(name: string, format: ImageFormat | null, bytes: Uint8Array): ImageDecoder {
  switch (format) {
    case 'png':
      return { decode: async (data) => (await import('./png.ts')).decodePng(data) };
    case 'jpeg':
      return { decode: async (data) => (await import('./jpeg.ts')).decodeJpeg(data) };
    case 'bmp':
    case 'gif':
      return { decode: decodeByJimp };
    case null: {
      const head = [...bytes.subarray(0, 8)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
      throw new InputError(`${name}: is no picture that pumice knows: it begins with ${head}: PNG, JPEG, BMP or GIF is expected`);
    }
    default:
      throw new UnsupportedError(`${name}: is a ${format.toUpperCase()} file: convert it to PNG or JPEG, or give a decoder for it`);
  }
}

/** The rarer formats. Imported where one comes, so that bundles which never see them need not carry it. */
async function decodeByJimp(bytes: Uint8Array): Promise<RgbImage> {
  const { Jimp } = await import('#jimp').catch((cause: unknown) => {
    throw new UnsupportedError(`needs the package jimp, which cannot be loaded here (${cause}): send PNG or JPEG, or give a decoder`);
  });
  // A copy: jimp keeps and changes what it gets.
  const { width, height, data } = (await Jimp.fromBuffer(bytes.slice().buffer)).bitmap;
  const rgb = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[from + 1]!;
    rgb[to + 2] = data[from + 2]!;
  }
  return { width, height, data: rgb };
}
