// Where the fixtures are: kernels-tests/fixtures of the repository. The tests run compiled, from build/kernels-tests.

import { fileURLToPath } from 'node:url';

/** The absolute path of a fixture: `fixture('formats/gguf-bad')`. */
export function fixture(path: string): string {
  return fileURLToPath(new URL(`../../kernels-tests/fixtures/${path}`, import.meta.url));
}
