// Load of a mixture's experts by layer, of text and of pictures: what the routing figures of MoE-LLaVA show (Lin et al. 2024).

import { InputError } from '../errors.ts';
import type { Routing } from '../generate/routing.ts';

/** Rows that chose an expert. */
export interface ExpertLoad {
  text: number;
  picture: number;
  /** Of both, those that found no room. */
  dropped: number;
}

export class ExpertLoads {
  /** By layer, then by expert. */
  readonly layers: Map<number, ExpertLoad[]> = new Map();

  /** Counts one layer's routing: give it to `chat` as `onRouting`. */
  add({ layer, experts, k, picture, choices, slots }: Routing): void {
    let loads = this.layers.get(layer);
    if (!loads) {
      loads = Array.from({ length: experts }, () => ({ text: 0, picture: 0, dropped: 0 }));
      this.layers.set(layer, loads);
    }
    for (const [i, expert] of choices.entries()) {
      const load = loads[expert];
      if (!load) continue;
      load[picture[Math.floor(i / k)] ? 'picture' : 'text']++;
      if (slots[i]! < 0) load.dropped++;
    }
  }

  /** A table for a terminal: shares of a layer's choices. Throws InputError where there was no mixture. */
  table(): string {
    this.#some();
    const head = `${'layer'.padEnd(8)}${'expert'.padStart(7)}${'rows'.padStart(9)}${'share'.padStart(8)}${'text'.padStart(8)}${'picture'.padStart(9)}${'dropped'.padStart(9)}`;
    const lines = [head];
    for (const [layer, loads] of this.layers) {
      const rows = (l: ExpertLoad) => l.text + l.picture;
      for (const [e, l] of loads.entries()) {
        const cells = [e, rows(l), share(loads, rows, e), share(loads, (x) => x.text, e), share(loads, (x) => x.picture, e), l.dropped];
        lines.push(`${String(layer).padEnd(8)}${cells.map((c, i) => String(c).padStart([7, 9, 8, 8, 9, 9][i]!)).join('')}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }

  /** Heat maps for the report, text beside pictures: a row for each layer, a column for each expert, dark where most rows go. */
  html(): string {
    this.#some();
    const maps = (['text', 'picture'] as const).map((kind) => this.#map(kind));
    return `<h2>Experts by layer: share of the choices</h2>\n<div style="display:flex;gap:2rem;flex-wrap:wrap">${maps.join('\n')}</div>`;
  }

  #map(kind: 'text' | 'picture'): string {
    const most = Math.max(...[...this.layers.values()].map((loads) => loads.length));
    const head = Array.from({ length: most }, (_, e) => `<th>expert ${e}`).join('');
    const rows = [...this.layers].map(([layer, loads]) => {
      const all = loads.reduce((n, l) => n + l[kind], 0);
      const cells = loads.map((l) => {
        const part = all ? l[kind] / all : 0;
        const paper = part > 0.5 ? '#fff' : '#222';
        return `<td title="${l[kind]} rows" style="background:rgba(38,84,132,${part.toFixed(3)});color:${paper}">${(100 * part).toFixed(0)} %`;
      });
      return `<tr><td>layer ${layer}${cells.join('')}</tr>`;
    });
    const [first] = this.layers.values();
    const rowsSeen = first!.reduce((n, l) => n + l[kind], 0);
    return `<table style="width:auto"><caption>${kind} (${rowsSeen} choices a layer)</caption><tr><th>${head}</tr>\n${rows.join('\n')}\n</table>`;
  }

  #some(): void {
    if (!this.layers.size) throw new InputError('--experts: there is nothing to show: the model has no experts, or nothing was run');
  }
}

function share(loads: readonly ExpertLoad[], of: (l: ExpertLoad) => number, e: number): string {
  const all = loads.reduce((n, l) => n + of(l), 0);
  return all ? `${((100 * of(loads[e]!)) / all).toFixed(1)}%` : '-';
}
