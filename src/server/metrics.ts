// Counters in Prometheus' text format.

const BUCKETS: readonly number[] = [0.1, 0.3, 1, 3, 10, 30, 100, 300];

export class Metrics {
  readonly #counters: Map<string, { help: string; values: Map<string, number> }> = new Map();
  readonly #gauges: { name: string; help: string; read: () => number }[] = [];
  readonly #seconds: number[] = BUCKETS.map(() => 0);
  #sum = 0;
  #count = 0;

  /** Adds to a counter; `labels` as `name="value",...`. */
  add(name: string, help: string, value: number, labels = ''): void {
    let c = this.#counters.get(name);
    if (!c) {
      c = { help, values: new Map() };
      this.#counters.set(name, c);
    }
    c.values.set(labels, (c.values.get(labels) ?? 0) + value);
  }

  gauge(name: string, help: string, read: () => number): void {
    this.#gauges.push({ name, help, read });
  }

  /** Seconds that a request took. */
  observe(seconds: number): void {
    BUCKETS.forEach((le, i) => {
      if (seconds <= le) this.#seconds[i]!++;
    });
    this.#sum += seconds;
    this.#count++;
  }

  text(): string {
    const out: string[] = [];
    const head = (name: string, help: string, type: string) => out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [name, { help, values }] of this.#counters) {
      head(name, help, 'counter');
      for (const [labels, value] of values) out.push(`${name}${labels && `{${labels}}`} ${value}`);
    }
    for (const { name, help, read } of this.#gauges) {
      head(name, help, 'gauge');
      out.push(`${name} ${read()}`);
    }
    const name = 'pumice_request_seconds';
    head(name, 'Time to answer a chat request.', 'histogram');
    BUCKETS.forEach((le, i) => {
      out.push(`${name}_bucket{le="${le}"} ${this.#seconds[i]}`);
    });
    out.push(`${name}_bucket{le="+Inf"} ${this.#count}`, `${name}_sum ${this.#sum}`, `${name}_count ${this.#count}`);
    return `${out.join('\n')}\n`;
  }
}
