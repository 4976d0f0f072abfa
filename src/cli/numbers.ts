// Lists of numbers in options.

import { InputError } from '../errors.ts';

/** Numbers above 0 between commas. Throws InputError that names the option. */
export function numbers(option: string, text: string, { whole = false }: { readonly whole?: boolean } = {}): number[] {
  return text.split(',').map((part) => {
    const n = Number(part);
    if (n > 0 && Number.isFinite(n) && (!whole || Number.isInteger(n))) return n;
    throw new InputError(`${option}: got ${text}, ${whole ? 'whole ' : ''}numbers above 0 between commas are expected`);
  });
}
