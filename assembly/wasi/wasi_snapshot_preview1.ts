// The four calls of WASI preview 1 that the command needs.

export declare function fd_read(file: i32, vectors: usize, count: i32, done: usize): i32;
export declare function fd_write(file: i32, vectors: usize, count: i32, done: usize): i32;
export declare function clock_time_get(clock: i32, precision: i64, result: usize): i32;
export declare function proc_exit(code: i32): void;
