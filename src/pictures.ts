// Pictures of a conversation: read, encoded once, and kept for the next turn.

import { InputError } from './errors.ts';
import type { ImageRows } from './generate/session.ts';
import type { RgbImage } from './image/image.ts';
import { type ImageInput, loadImage } from './image/load.ts';
import { imagesOf, isEncoded, type Message } from './messages.ts';
import type { EncodeOptions, Model, PictureOptions, PictureView } from './models/model.ts';
import type { Platform } from './runtime/platform.ts';
import type { Programs, Spent } from './runtime/programs.ts';

/** Encoded pictures that are kept. */
const KEPT = 8;

export interface PicturesOptions extends PictureOptions {
  readonly spent: Spent;
  readonly signal?: AbortSignal | undefined;
  /** Sees how each picture was cut and where its visual tokens look; `picture` counts from 0. Pictures encoded before are encoded again. */
  readonly explain?: ((picture: number, image: RgbImage, view: PictureView) => void) | undefined;
  /** A picture is being encoded: pictures done, and in all. */
  readonly onImage?: ((done: number, total: number) => void) | undefined;
}

export class Pictures {
  readonly #platform: Platform;
  readonly #model: Model;
  /** The checkpoint's name, for messages. */
  readonly #name: string;
  readonly #vision: Programs;
  readonly #kept: Map<string, ImageRows> = new Map();

  constructor(platform: Platform, model: Model, name: string, vision: Programs) {
    this.#platform = platform;
    this.#model = model;
    this.#name = name;
    this.#vision = vision;
  }

  /** Those that are kept, the one used last at the end. */
  kept(): ImageRows[] {
    return [...this.#kept.values()];
  }

  /** Keeps rows that were encoded elsewhere. */
  keep(rows: ImageRows): void {
    this.#kept.set(rows.key, rows);
  }

  clear(): void {
    this.#kept.clear();
  }

  /** Rows of the pictures of a conversation, in order: f32 [rows, hidden] each. */
  async ofMessages(messages: readonly Message[], options: PicturesOptions): Promise<ImageRows[]> {
    const inputs = messages.flatMap(imagesOf);
    const images: ImageRows[] = [];
    for (const [i, input] of inputs.entries()) {
      options.onImage?.(i, inputs.length);
      images.push(isEncoded(input) ? input : await this.encode(input, options, i));
    }
    options.onImage?.(inputs.length, inputs.length);
    return images;
  }

  /** Rows of one picture, the `number`-th of its conversation. */
  async encode(input: ImageInput, { spent, signal, explain, ...choices }: PicturesOptions, number = 0): Promise<ImageRows> {
    const { readFile } = this.#platform;
    const image = await loadImage(input, { ...(readFile && { readFile }), ...(signal && { signal }) });
    return this.#rows(image, {
      ...chosen(choices),
      spent,
      ...(signal && { signal }),
      ...(explain && { explain: (view: PictureView) => explain(number, image, view) }),
    });
  }

  async #rows(image: RgbImage, options: EncodeOptions): Promise<ImageRows> {
    const { encoder } = this.#model;
    if (!encoder) throw new InputError(`${this.#name}: has no vision tower: give one (mmproj or tower), or leave the pictures out`);
    const choices = chosen(options);
    for (const name of Object.keys(choices)) {
      if (!(encoder.choices as readonly string[] | undefined)?.includes(name))
        throw new InputError(`${name}: ${this.#model.name} has no such choice: leave it out`);
    }
    const key = `${await fingerprint(image)} ${JSON.stringify(choices)}`;
    let rows = options.explain ? undefined : this.#kept.get(key);
    if (!rows) {
      rows = { ...(await encoder.encode(this.#vision, image, options)), key };
      if (this.#kept.size >= KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    }
    // Used last: dropped last.
    this.#kept.delete(key);
    this.#kept.set(key, rows);
    return rows;
  }
}

/** The choices that the caller made, in one order. */
const chosen = ({ visualTokens, slices, preResize }: PictureOptions): PictureOptions => ({
  ...(visualTokens !== undefined && { visualTokens }),
  ...(slices !== undefined && { slices }),
  ...(preResize !== undefined && { preResize }),
});

/** Same pixels, same key. */
async function fingerprint({ width, height, data }: RgbImage): Promise<string> {
  const { sha256 } = await import('./digest.ts');
  return `${width}x${height} ${await sha256(data)}`;
}
