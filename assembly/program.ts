// The layout of op records and of the control block: the one source of truth for AssemblyScript and TypeScript.
//
// One record is 128 bytes of 32-bit fields; the offset of a field is its name. Addresses are byte addresses in linear memory.
// ROWS holds the address of a cell (an i32 in linear memory), so that a size may change between and inside runs.
// P0.. are each op's own parameters: an integer, a float, or the address of a cell. The header of a kernel says which.

export const RECORD_BYTES = 128;
export const OPCODE = 0;
export const FLAGS = 4;
export const OUT = 8;
export const OUT1 = 12;
export const OUT2 = 16;
export const OUT3 = 20;
export const IN0 = 24;
export const IN1 = 28;
export const IN2 = 32;
export const IN3 = 36;
export const IN4 = 40;
export const IN5 = 44;
export const IN6 = 48;
export const IN7 = 52;
export const SCRATCH = 56; // address of the first thread's scratch
export const SCRATCH_STRIDE = 60; // bytes from one thread's scratch to the next
export const ROWS = 64; // address of a cell
export const COLS = 68; // number
export const P0 = 72;
export const P1 = 76;
export const P2 = 80;
export const P3 = 84;
export const P4 = 88;
export const P5 = 92;
export const P6 = 96;
export const P7 = 100;
export const P8 = 104;
export const P9 = 108;
export const P10 = 112;
export const P11 = 116;
export const P12 = 120;
export const P13 = 124;

// FLAGS
export const BARRIER = 1; // all threads meet after this op
export const HOST_BARRIER = 2; // the same, but the host makes them meet: profiling

// Control block: words on cache lines of their own. Nothing lives below 1024 (the compiler folds small offsets into loads).
export const BARRIER_COUNT = 1024;
export const BARRIER_GENERATION = 1088;
export const BARRIER_SLEEPERS = 1152;
export const ABORT = 1216; // the host asks: stop
export const STOP = 1280; // the last thread at a barrier answers for all: stopped
export const FIRST_FREE = 2048;
