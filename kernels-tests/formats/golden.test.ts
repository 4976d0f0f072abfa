// The golden cases of the formats, from the small copies that the package carries.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cases as formats } from '../../src/golden/formats.ts';
import { cases as quantize } from '../../src/golden/quantize.ts';
import { cases as torchBin } from '../../src/golden/torchBin.ts';
import { fixture } from '../fixtures.ts';

const root = fixture('formats');
const cases = [...formats, ...quantize, ...torchBin];
const all = [
  { system: 'gguf-bad', name: '' },
  ...['gguf', 'torch-bin'].flatMap((system) => readdirSync(join(root, system)).map((name) => ({ system, name }))),
];

for (const { system, name } of all) {
  test(`${system}/${name}`, async () => {
    const runners = cases.filter((runner) => runner.matches(system, name));
    if (runners.length === 0) throw new Error('no runner');
    for (const runner of runners) await runner.run(join(root, system, name));
  });
}
