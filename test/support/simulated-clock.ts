/** A clock that stands still until it is moved; for the option `now`. */
export class SimulatedClock {
  #ms = Date.UTC(2026, 0, 1);

  readonly now = (): number => this.#ms;

  advance(seconds: number): void {
    this.#ms += seconds * 1000;
  }
}
