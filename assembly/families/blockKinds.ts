// Block types as classes without fields: kind() is a constant wherever a function is compiled for one of them (one that inherits
// would ask for an object). The predicates of blocks.ts answer at run time.

/** The bits of a level. */
export const BITS: i32 = 7;
/** Super-blocks. */
export const WIDE: i32 = 8;
/** A scale holds for 16 columns. */
export const SIXTEEN: i32 = 16;
export const MINS: i32 = 32;
/** Levels are numbers in a table. */
export const TABLE: i32 = 64;

export class Q4_1 {
  kind(): i32 {
    return 4 | MINS;
  }
}
export class Q5_0 {
  kind(): i32 {
    return 5;
  }
}
export class Q5_1 {
  kind(): i32 {
    return 5 | MINS;
  }
}
export class IQ4_NL {
  kind(): i32 {
    return 4 | TABLE;
  }
}
export class Q4_K {
  kind(): i32 {
    return 4 | WIDE | MINS;
  }
}
export class Q5_K {
  kind(): i32 {
    return 5 | WIDE | MINS;
  }
}
export class IQ4_XS {
  kind(): i32 {
    return 4 | WIDE | TABLE;
  }
}
export class Q6_K {
  kind(): i32 {
    return 6 | WIDE | SIXTEEN;
  }
}
export class Q3_K {
  kind(): i32 {
    return 3 | WIDE | SIXTEEN;
  }
}
export class Q2_K {
  kind(): i32 {
    return 2 | WIDE | SIXTEEN | MINS;
  }
}
