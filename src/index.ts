// pumice: LLaVA models on the CPU of any JavaScript runtime. The types of all entries, and the entry for Node in a checkout.

export * from './entries/node.ts';
