// Progress bars on a terminal; silence on a pipe.

import { MultiBar, Presets, type SingleBar } from 'cli-progress';

export interface Progress {
  /** Shows `done` of `total` under a label; a new label begins a new bar. */
  update(label: string, done: number, total: number, unit: string): void;
  stop(): void;
}

const silent: Progress = { update() {}, stop() {} };

/** Bars on stderr when it is a terminal. */
export function progress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return silent;
  const bars = new MultiBar(
    { stream, hideCursor: true, clearOnComplete: true, format: '{label} {bar} {percentage}% {value}/{total} {unit}' },
    Presets.shades_classic,
  );
  let current: { label: string; bar: SingleBar } | undefined;
  return {
    update(label, done, total, unit) {
      if (current?.label !== label) {
        current?.bar.stop();
        if (current) bars.remove(current.bar);
        current = { label, bar: bars.create(total, done, { label: label.padEnd(8), unit }) };
      }
      current.bar.setTotal(total);
      current.bar.update(done, { label: label.padEnd(8), unit });
    },
    stop: () => bars.stop(),
  };
}
