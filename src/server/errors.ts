// Errors as the OpenAI API words them.

import { PumiceError } from '../errors.ts';

/** A refusal with its HTTP status. `type` and `code` go into the body. */
export class HttpError extends PumiceError {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, message);
    this.status = status;
    this.headers = headers;
  }
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'server_error',
  503: 'server_error',
};

/** Codes of defects: ours, not the caller's. */
const DEFECTS = new Set(['trap', 'worker', 'disposed', 'busy', 'stopped', 'memory']);

/** The status and body for an error. Messages of defects stay inside: they may name paths. */
export function errorBody(e: unknown): { status: number; headers: Readonly<Record<string, string>>; body: { error: object } } {
  const known = e instanceof PumiceError && !DEFECTS.has(e.code);
  const status = e instanceof HttpError ? e.status : known ? 400 : 500;
  const message = known ? e.message : 'the server failed to answer';
  const code = known ? e.code : 'internal';
  return {
    status,
    headers: e instanceof HttpError ? e.headers : {},
    body: { error: { message, type: TYPES[status] ?? 'invalid_request_error', param: null, code } },
  };
}
