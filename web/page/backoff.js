// Waiting before a reconnect: full jitter, so that after the relay restarts not all phones come in the same moment.

const first = 500; // ms
const longest = 10_000; // ms

/** Backoff counts failures and says how long to wait after each. */
export class Backoff {
  #failures = 0;
  /** @type {() => number} */ #random;

  /** @param {() => number} random  in [0, 1) */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** next returns the milliseconds to wait after one more failure: random up to a ceiling that doubles from 0.5 s to 10 s. */
  next() {
    const ceiling = Math.min(longest, first * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    return Math.round(this.#random() * ceiling);
  }

  /** reset forgets the failures, after a success. */
  reset() {
    this.#failures = 0;
  }
}
