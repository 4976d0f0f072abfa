// One number for each op. Numbers are written into programs, never into files: they may be renumbered freely.
export const OP_RMS_NORM = 1;
export const OP_RESIZE_HORIZONTAL = 60;
export const OP_RESIZE_VERTICAL = 61;
export const OP_NORMALIZE_PIXELS = 62;
