// What the golden harness asks of a runner. Runners live in one file per system and are listed in registry.ts.

/** Checks cases of one kind against the reference outputs in their folder. Every runner that matches a case is run for it. */
export interface CaseRunner {
  /** `system` and `name` are folder names; `name` is '' where the system's folder is itself one case. */
  matches(system: string, name: string): boolean;
  /** Throws an Error that says what differs first. `dir` is the absolute path of the case's folder. */
  run(dir: string): Promise<void>;
}
