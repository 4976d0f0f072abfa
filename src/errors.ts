// The typed errors of pumice. Every message reads `<where>: <what is wrong>: got <value>, <what is expected or what to do>`.

/** Base of every error that pumice throws on purpose. `code` is stable and machine-readable. */
export class PumiceError extends Error {
  override readonly name: string = 'PumiceError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Tensors do not fit an operation or each other. */
export class ShapeError extends PumiceError {
  override readonly name = 'ShapeError';
  constructor(message: string) {
    super('shape', message);
  }
}

/** A file breaks its format. `code` is the class of the defect: `magic`, `truncated`, `limit`, `structure`, ... */
export class FormatError extends PumiceError {
  override readonly name = 'FormatError';
}

/** The file or request is well-formed, but asks for something that pumice does not do. */
export class UnsupportedError extends PumiceError {
  override readonly name = 'UnsupportedError';
  constructor(message: string) {
    super('unsupported', message);
  }
}

/** A model, an option or a picture from the caller is not usable. */
export class InputError extends PumiceError {
  override readonly name = 'InputError';
  constructor(message: string, options?: ErrorOptions) {
    super('input', message, options);
  }
}

/** Linear memory is exhausted or cannot be had. */
export class MemoryError extends PumiceError {
  override readonly name = 'MemoryError';
  constructor(message: string, options?: ErrorOptions) {
    super('memory', message, options);
  }
}
