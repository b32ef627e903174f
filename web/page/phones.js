// The loop around the phones of the house: asks the state, carries its effects out with the house, looks again while shown.

import { refusalOf } from './house.js';
import { initial, pause, step } from './phones-state.js';

/**
 * @typedef {import('./house.js').House} House
 * @typedef {import('./phones-state.js').State} State
 * @typedef {import('./phones-state.js').Effect} Effect
 *
 * @typedef {object} Listener
 * @property {(state: State) => void} state  the state changed
 * @property {() => void} out                this phone no longer belongs to the house
 * @property {() => boolean} visible         whether anybody may be looking
 */

/** Phones holds the state and does what it says. */
export class Phones {
  /** @type {House} */ #house;
  /** @type {Listener} */ #listener;
  /** @type {State} */ #state;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** Counts what was asked; an answer that was overtaken by a later question is not news. */
  #asked = 0;

  /**
   * @param {House} house
   * @param {import('./house.js').Me} me
   * @param {Listener} listener
   */
  constructor(house, me, listener) {
    this.#house = house;
    this.#listener = listener;
    this.#state = initial(me);
  }

  get state() {
    return this.#state;
  }

  /**
   * post takes an event.
   * @param {{type: string, [field: string]: any}} event
   */
  post(event) {
    const before = this.#state;
    const { state, effects } = step(before, { at: Date.now(), ...event });
    this.#state = state;
    for (const effect of effects) void this.#do(effect);
    if (state.view !== before.view) this.#rest();
    if (state !== before) this.#listener.state(state);
  }

  /** wake looks again, after the page was hidden. */
  wake() {
    if (pause(this.#state)) void this.#do({ do: 'load' });
  }

  /** @param {Effect} effect */
  async #do(effect) {
    if (effect.do === 'out') {
      this.#listener.out();
      return;
    }
    const asked = ++this.#asked;
    try {
      const event = await this.#ask(effect);
      if (effect.do !== 'load' || asked === this.#asked) this.post(event);
    } catch (error) {
      const { code } = refusalOf(error);
      if (effect.do !== 'load' || asked === this.#asked) this.post({ type: 'failed', code });
    }
    if (effect.do === 'load') this.#rest();
  }

  /**
   * @param {Exclude<Effect, {do: 'out'}>} effect
   * @returns {Promise<{type: string, [field: string]: any}>}
   */
  async #ask(effect) {
    switch (effect.do) {
      case 'invite':
        return { type: 'invited', invitation: await this.#house.invite(effect.role, effect.until) };
      case 'takeback':
        await this.#house.takeBack(effect.id);
        return { type: 'takenback', id: effect.id };
      case 'remove':
        await this.#house.remove(effect.id);
        return { type: 'removed', id: effect.id };
      case 'leave':
        await this.#house.leave();
        return { type: 'left' };
      default:
        return { type: 'phones', ...(await this.#house.phones()) };
    }
  }

  /** Waits before looking again. */
  #rest() {
    clearTimeout(this.#timer);
    const ms = pause(this.#state);
    if (ms) this.#timer = setTimeout(() => (this.#listener.visible() ? void this.#do({ do: 'load' }) : this.#rest()), ms);
  }
}
