// Pictures: RGB bytes, and pure functions on them.

import { InputError } from '../errors.ts';

/** 8-bit RGB, rows from the top, no padding: `data[(y * width + x) * 3 + channel]`. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle on the plane of an image; it may reach beyond the image. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export type Rgb = readonly [red: number, green: number, blue: number];
export const BLACK: Rgb = [0, 0, 0];

/** Pictures of more pixels are refused unless the caller allows more. */
export const MAX_PIXELS = 100_000_000;

/** Checks a picture's size. `name` is for the message. */
export function checkSize(name: string, width: number, height: number, maxPixels: number = MAX_PIXELS): void {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new InputError(`${name}: has no pixels: got ${width} x ${height}, at least 1 x 1 is expected`);
  }
  if (width * height > maxPixels) {
    throw new InputError(
      `${name}: too large: got ${width} x ${height}, at most ${maxPixels} pixels are allowed: raise maxPixels or send a smaller picture`,
    );
  }
}

/** Checks that a picture given as pixels is what it says. */
export function checkImage(name: string, image: RgbImage, maxPixels: number = MAX_PIXELS): void {
  checkSize(name, image.width, image.height, maxPixels);
  const bytes = 3 * image.width * image.height;
  if (image.data.byteLength !== bytes) {
    throw new InputError(
      `${name}: wrong amount of pixels: got ${image.data.byteLength} bytes for ${image.width} x ${image.height}, expected ${bytes} of RGB`,
    );
  }
}

/** The whole of an image. */
export const whole = ({ width, height }: RgbImage): Window => ({ left: 0, top: 0, width, height });

/** The smallest square around an image, with the image in its middle: one pixel nearer to the left and the top where it cannot be. */
export function squareAround({ width, height }: RgbImage): Window {
  const side = Math.max(width, height);
  return { left: 0 - Math.floor((side - width) / 2), top: 0 - Math.floor((side - height) / 2), width: side, height: side };
}

/** A rectangle of the given size in the middle of an image, or around it; an odd pixel is left over at the right and the bottom. */
export function centered(image: RgbImage, width: number, height: number): Window {
  return { left: Math.floor((image.width - width) / 2), top: Math.floor((image.height - height) / 2), width, height };
}

/** The window as an image of its own; `fill` where it reaches beyond the image. Crops, pads and pastes on a canvas. */
export function crop(image: RgbImage, window: Window, fill: Rgb = BLACK): RgbImage {
  const data = new Uint8Array(3 * window.width * window.height);
  copyWindow(image, window, fill, data, 3 * window.width);
  return { width: window.width, height: window.height, data };
}

/** Writes a window of an image into `target`, a row every `rowBytes` bytes; `fill` where it reaches beyond the image. */
export function copyWindow(image: RgbImage, window: Window, fill: Rgb, target: Uint8Array, rowBytes: number): void {
  const from = Math.max(window.left, 0);
  const to = Math.min(window.left + window.width, image.width);
  const outside = fillRow(window.width, fill);
  for (let y = 0; y < window.height; y++) {
    const row = window.top + y;
    const at = y * rowBytes;
    const inside = row >= 0 && row < image.height && from < to;
    if (!inside || to - from < window.width) target.set(outside, at);
    if (inside)
      target.set(image.data.subarray((row * image.width + from) * 3, (row * image.width + to) * 3), at + 3 * (from - window.left));
  }
}

function fillRow(width: number, [red, green, blue]: Rgb): Uint8Array {
  const row = new Uint8Array(3 * width);
  for (let i = 0; i < row.length; i += 3) {
    row[i] = red;
    row[i + 1] = green;
    row[i + 2] = blue;
  }
  return row;
}
