// The pieces of a chart as SVG text: a file that any browser and any Markdown page shows, without a library.

/** Colours of series, told apart by colour-blind eyes too (Okabe and Ito, 2008). */
export const COLORS: readonly string[] = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

export const colorOf = (i: number): string => COLORS[i % COLORS.length]!;

export const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Pixels with one decimal. */
export const px = (x: number): string => String(Math.round(x * 10) / 10);

export interface TextOptions {
  /** Which end stands at x; default start. */
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly size?: number;
  readonly color?: string;
  /** Degrees around x, y. */
  readonly rotate?: number;
}

export function text(
  x: number,
  y: number,
  content: string,
  { anchor = 'start', size = 12, color = '#333', rotate }: TextOptions = {},
): string {
  const turn = rotate === undefined ? '' : ` transform="rotate(${rotate} ${px(x)} ${px(y)})"`;
  return `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}" font-size="${size}" fill="${color}"${turn}>${escaped(content)}</text>`;
}

export const line = (x0: number, y0: number, x1: number, y1: number, color = '#ddd', dashes = ''): string =>
  `<line x1="${px(x0)}" y1="${px(y0)}" x2="${px(x1)}" y2="${px(y1)}" stroke="${color}"${dashes && ` stroke-dasharray="${dashes}"`}/>`;

export const rect = (x: number, y: number, width: number, height: number, color: string): string =>
  `<rect x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}" fill="${color}"/>`;

/** Width of a text in pixels, roughly: a little more than a sans-serif face takes. */
export const textWidth = (content: string, size = 12): number => content.length * size * 0.56;

/** The whole file, on white, so that it can be read on a dark page. */
export function svg(width: number, height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" role="img">`,
    `<title>${escaped(title)}</title>`,
    rect(0, 0, width, height, '#fff'),
    text(16, 24, title, { size: 15, color: '#111' }),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** Names of series with their colours, from left to right below the title. */
export function legend(names: readonly string[], x: number, y: number): string[] {
  let at = x;
  return names.flatMap((name, i) => {
    const parts = [rect(at, y - 9, 10, 10, colorOf(i)), text(at + 14, y, name)];
    at += 14 + textWidth(name) + 18;
    return parts;
  });
}
