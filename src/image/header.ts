// What a picture file says about itself in its first bytes: its format and its size, before anything is decoded.

export type ImageFormat = 'png' | 'jpeg' | 'bmp' | 'gif' | 'tiff' | 'webp' | 'avif' | 'heic' | 'jxl' | 'svg' | 'ico' | 'pdf';

/** The format by its magic bytes, null where they are unknown. */
export function sniff(bytes: Uint8Array): ImageFormat | null {
  const at = (offset: number, text: string) => [...text].every((c, i) => bytes[offset + i] === c.charCodeAt(0));
  if (at(0, '\x89PNG\r\n\x1a\n')) return 'png';
  if (at(0, '\xff\xd8\xff')) return 'jpeg';
  if (at(0, 'GIF87a') || at(0, 'GIF89a')) return 'gif';
  if (at(0, 'BM')) return 'bmp';
  if (at(0, 'II*\0') || at(0, 'MM\0*')) return 'tiff';
  if (at(0, 'RIFF') && at(8, 'WEBP')) return 'webp';
  if (at(4, 'ftyp')) {
    if (at(8, 'avif') || at(8, 'avis')) return 'avif';
    if (at(8, 'hei') || at(8, 'hev') || at(8, 'mif1') || at(8, 'msf1')) return 'heic';
  }
  if (at(0, '\xff\x0a') || at(4, 'JXL ')) return 'jxl';
  if (at(0, '\0\0\x01\0')) return 'ico';
  if (at(0, '%PDF')) return 'pdf';
  if (at(0, '<svg') || (at(0, '<?xml') && /<svg/.test(String.fromCharCode(...bytes.subarray(0, 1000))))) return 'svg';
  return null;
}

/** Width and height as the header says, null where the file ends before. Formats that pumice does not decode are not asked. */
export function headerSize(format: ImageFormat, bytes: Uint8Array): { width: number; height: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (format) {
    case 'png':
      return bytes.length < 24 ? null : { width: view.getUint32(16), height: view.getUint32(20) };
    case 'gif':
      return bytes.length < 10 ? null : { width: view.getUint16(6, true), height: view.getUint16(8, true) };
    case 'bmp':
      if (bytes.length < 26) return null;
      // The oldest form has 16-bit sizes; a negative height says that the rows run downwards.
      if (view.getUint32(14, true) === 12) return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
      return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
    case 'jpeg':
      return jpegSize(view);
    default:
      return null;
  }
}

function jpegSize(view: DataView): { width: number; height: number } | null {
  for (let at = 2; at + 9 <= view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) at++;
    else {
      const marker = view.getUint8(at + 1);
      const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
      if (frame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
      const alone = marker === 0xff || marker <= 1 || (marker >= 0xd0 && marker <= 0xd8);
      at += alone ? (marker === 0xff ? 1 : 2) : 2 + view.getUint16(at + 2);
    }
  }
  return null;
}
