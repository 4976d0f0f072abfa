// How selectRows chooses: shared by kernel and graph.

/** The k candidates with the largest s0 (two columns: s0 - s1). */
export const BEST = 0;
/** Those with s0 > s1. */
export const LARGER = 1;
/** The n candidates with the largest s0, where n have s0 > s1. */
export const AS_MANY = 2;
