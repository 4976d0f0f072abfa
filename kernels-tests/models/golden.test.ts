// Whole models against the reference, from the small copies that the package carries.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runners } from '../../src/golden/registry.ts';
import { fixture } from '../fixtures.ts';

const root = fixture('models');

for (const system of readdirSync(root)) {
  for (const name of readdirSync(join(root, system))) {
    test(`${system}/${name}`, async () => {
      const matching = runners.filter((runner) => runner.matches(system, name));
      if (matching.length === 0) throw new Error('no runner');
      for (const runner of matching) await runner.run(join(root, system, name));
    });
  }
}
