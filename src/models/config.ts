// config.json as checkpoints have it, read with types and defaults.

import { FormatError } from '../errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object read by key. Every error names the file and the key. */
export class Config {
  readonly where: string;
  readonly values: { readonly [key: string]: Json };

  constructor(where: string, values: { readonly [key: string]: Json }) {
    this.where = where;
    this.values = values;
  }

  static parse(where: string, text: string): Config {
    let json: Json;
    try {
      json = JSON.parse(text) as Json;
    } catch (e) {
      throw new FormatError('json', `${where}: is not JSON: ${(e as Error).message}`, { cause: e });
    }
    if (!isObject(json)) throw new FormatError('json', `${where}: must hold an object`);
    return new Config(where, json);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.values, key) && this.values[key] !== null;
  }

  number(key: string, fallback?: number): number {
    return this.#get(key, 'number', fallback);
  }

  /** A positive integer: a size or a count. */
  size(key: string, fallback?: number): number {
    const n = this.number(key, fallback);
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 31)
      throw new FormatError('config', `${this.where}: ${key}: must be a positive integer: got ${n}`);
    return n;
  }

  string(key: string, fallback?: string): string {
    return this.#get(key, 'string', fallback);
  }

  bool(key: string, fallback?: boolean): boolean {
    return this.#get(key, 'boolean', fallback);
  }

  /** A nested object, or undefined. */
  object(key: string): Config | undefined {
    const v = this.has(key) ? this.values[key]! : undefined;
    return isObject(v) ? new Config(`${this.where}: ${key}`, v) : undefined;
  }

  numbers(key: string): readonly number[] | undefined {
    const v = this.has(key) ? this.values[key] : undefined;
    return Array.isArray(v) && v.every((x) => typeof x === 'number') ? (v as number[]) : undefined;
  }

  strings(key: string): readonly string[] {
    const v = this.has(key) ? this.values[key] : undefined;
    return Array.isArray(v) ? v.filter((x): x is string => typeof x === 'string') : [];
  }

  /** The same with other keys added or replaced. */
  with(values: { readonly [key: string]: Json }): Config {
    return new Config(this.where, { ...this.values, ...values });
  }

  #get<T extends Json>(key: string, type: string, fallback?: T): T {
    const v = this.has(key) ? this.values[key] : fallback;
    if (v === undefined) throw new FormatError('config', `${this.where}: has no ${key}`);
    if (typeof v !== type) throw new FormatError('config', `${this.where}: ${key}: must be a ${type}: got ${JSON.stringify(v)}`);
    return v as T;
  }
}

export function isObject(v: Json | undefined): v is { readonly [key: string]: Json } {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}
