// One number for each op. Numbers are written into programs, never into files: they may be renumbered freely.
export const OP_RMS_NORM = 1;
