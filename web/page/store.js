// What the page remembers. Storage may be missing, full or forbidden (private windows, blocked cookies): then it is kept
// until the page closes, and nothing fails.

/** Store reads and writes JSON values under a common prefix. */
export class Store {
  /** @type {Storage | null} */ #storage = null;
  /** @type {Map<string, string>} */ #memory = new Map();

  /** @param {() => Storage} open  returns localStorage or sessionStorage; may throw */
  constructor(open) {
    try {
      this.#storage = open();
    } catch {
      this.#storage = null;
    }
  }

  /**
   * get returns the value kept under the key, or undefined.
   * @param {string} key
   * @returns {any}
   */
  get(key) {
    let text;
    try {
      text = this.#storage?.getItem('doorbell.' + key);
    } catch {
      this.#storage = null;
    }
    try {
      return JSON.parse(text ?? this.#memory.get(key) ?? '');
    } catch {
      return undefined;
    }
  }

  /**
   * set keeps the value; undefined forgets the key.
   * @param {string} key
   * @param {unknown} value
   */
  set(key, value) {
    this.#memory.delete(key);
    if (value !== undefined) this.#memory.set(key, JSON.stringify(value));
    try {
      if (value === undefined) this.#storage?.removeItem('doorbell.' + key);
      else this.#storage?.setItem('doorbell.' + key, JSON.stringify(value));
    } catch {
      this.#storage = null;
    }
  }
}
