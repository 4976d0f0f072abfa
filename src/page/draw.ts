// What an answer did, drawn: patches over the picture, a table of operations.

import type { InsightResult } from '../server/insight.ts';
import { PROFILE_FIRST } from './backend.ts';

/** Draws the picture and, where there are views, what was dropped (dark) or looked at (bright). */
export function drawPicture(canvas: HTMLCanvasElement, picture: ImageBitmap, views: InsightResult['views']): void {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const c = canvas.getContext('2d')!;
  c.drawImage(picture, 0, 0);
  for (const { window, grid, kept, attention } of views) {
    const { x = 0, y = 0, width, height } = window as { x?: number; y?: number; width: number; height: number };
    const { width: columns, height: rows } = grid as { width: number; height: number };
    const most = Math.max(...(attention ?? [1]));
    const values = kept ?? attention?.map((a) => a / most);
    values?.forEach((value, i) => {
      c.fillStyle = `rgb(0 0 0 / ${0.65 * (1 - value)})`;
      const [w, h] = [width / columns, height / rows];
      c.fillRect(x + (i % columns) * w, y + Math.floor(i / columns) * h, w, h);
    });
  }
}

/** The operations that took most of the time. */
export function drawProfile(body: HTMLTableSectionElement, ops: InsightResult['ops']): void {
  const total = ops.reduce((n, o) => n + o.ms, 0);
  body.replaceChildren(
    ...ops.slice(0, PROFILE_FIRST).map(({ op, calls, ms }) => {
      const row = document.createElement('tr');
      const bar = document.createElement('span');
      bar.className = 'bar';
      bar.style.width = `${(100 * ms) / total}%`;
      for (const text of [op, String(calls), ms.toFixed(1)]) row.insertCell().textContent = text;
      row.insertCell().append(bar);
      return row;
    }),
  );
}
