// What is around the views: the page's state for tests and styles, its title, the tone, and the phone's own means (vibration,
// staying awake).

import { byId, show } from './dom.js';
import { audible, screen, tone } from './state.js';

/**
 * @typedef {import('./turn.js').State} State
 * @typedef {import('./i18n.js').Words} Words
 * @typedef {import('./tone.js').Tone} Tone
 * @typedef {import('./picture.js').Picture} Picture
 */

const buzz = [400, 200, 400, 2000]; // ms on and off

/** Shell follows the state with everything that isn't a view. */
export class Shell {
  #root = document.documentElement.dataset;
  #bar = byId('ringBar');
  /** @type {Words} */ #words;
  /** @type {Tone} */ #tone;
  /** @type {Picture} */ #picture;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #flash;
  /** @type {WakeLockSentinel | null} */ #awake = null;
  #wantAwake = false;
  #locking = false;
  #state = '';

  /**
   * @param {Words} words
   * @param {Tone} tone
   * @param {Picture} picture
   */
  constructor(words, tone, picture) {
    this.#words = words;
    this.#tone = tone;
    this.#picture = picture;
    this.#bar.addEventListener('click', () => tone.unlock());
    document.addEventListener('visibilitychange', () => this.#stayAwake());
  }

  /** @param {State} state */
  render(state) {
    const view = screen(state);
    this.#root.connection = state.connection;
    this.#root.state = view;
    this.#tone.play(tone(state));
    this.#picture.hear(audible(state));
    show(byId('callPage'), state.session === 'in');
    this.#root.sound = this.#tone.locked ? 'locked' : 'ready';
    show(this.#bar, this.#tone.locked && (view === 'home' || view === 'ringing'));
    this.#wantAwake = state.call !== null;
    this.#stayAwake();
    if (view !== this.#state) this.#ringOrNot(view, state);
    this.#state = view;
  }

  /**
   * ringOrNot begins or ends what draws attention: the title that changes and the vibration.
   * @param {string} view
   * @param {State} state
   */
  #ringOrNot(view, { call }) {
    clearInterval(this.#flash);
    const title = this.#words.say('app.title');
    document.title = title;
    if (view !== 'ringing' || !call) {
      if (this.#state === 'ringing') navigator.vibrate?.(0);
      return;
    }
    const ringing = this.#words.say(call.kind === 'door' ? 'ring.door' : 'ring.phone', { peer: call.peer });
    document.title = '● ' + ringing;
    navigator.vibrate?.(buzz);
    let on = true;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#flash = setInterval(() => {
      on = still || !on;
      document.title = on ? '● ' + ringing : title;
      if (on) navigator.vibrate?.(buzz);
    }, 1500);
  }

  /** Keeps the screen on during a ring or call, so far as the browser can; the lock is lost whenever the page is hidden. */
  async #stayAwake() {
    if (!navigator.wakeLock || this.#locking || document.visibilityState !== 'visible') return;
    if (!this.#wantAwake) {
      const awake = this.#awake;
      this.#awake = null;
      await awake?.release().catch(() => undefined);
    } else if (!this.#awake || this.#awake.released) {
      this.#locking = true;
      try {
        this.#awake = await navigator.wakeLock.request('screen');
      } catch {
        this.#awake = null; // low battery, or not allowed: the call goes on
      }
      this.#locking = false;
      if (!this.#wantAwake) await this.#stayAwake(); // the call ended meanwhile
    }
  }
}
