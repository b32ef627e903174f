// Coming in: claims a house that has no owner, or takes an invitation up. Puts the page together.

import { Backoff } from './backoff.js';
import { House, refusalOf } from './house.js';
import { choose, Words } from './i18n.js';
import { initial, step } from './join-state.js';
import { fromHash } from './secret.js';
import { propose } from './system.js';
import { JoinView } from './view-join.js';

/** @typedef {{type: string, [field: string]: any}} Event */

/** Reads what the address says, and takes the secret out of the address bar at once, and with that out of the browser's history. */
function opened() {
  const { hash, search, pathname } = location;
  if (hash || search) history.replaceState(null, '', pathname);
  return initial(fromHash(hash), propose(navigator), new URLSearchParams(search).has('refused'));
}

/** Joining is the page's one loop. */
class Joining {
  #house = new House();
  #backoff = new Backoff();
  #state = opened();
  /** @type {JoinView} */ #view;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #retry;

  /** @param {Words} words */
  constructor(words) {
    this.#view = new JoinView((event) => this.post(event), words);
    addEventListener('online', () => this.post({ type: 'retry' }));
    addEventListener('hashchange', () => location.hash && location.reload()); // another invitation was opened in this tab
    setInterval(() => this.#state.until && this.post({ type: 'tick' }), 500);
  }

  start() {
    this.#view.render(this.#state, Date.now());
    void this.#ask();
  }

  /** @param {Event} event */
  post(event) {
    const at = Date.now();
    const { state, effects } = step(this.#state, { at, ...event });
    this.#state = state;
    this.#view.render(state, at);
    for (const effect of effects) {
      if (effect.do === 'ask') void this.#ask();
      else if (effect.do === 'join') void this.#join(effect.secret, effect.name);
      else location.replace('./');
    }
  }

  /** Asks how the house stands, and whether this phone belongs to it already. */
  async #ask() {
    clearTimeout(this.#retry);
    try {
      const [joining, settings] = await Promise.all([this.#house.joining(), this.#house.settings().catch(() => null)]);
      this.#backoff.reset();
      if (settings?.open) this.post({ type: 'open' });
      else if (settings?.me) this.post({ type: 'member', name: settings.me.name });
      else this.post({ type: 'told', ...joining });
    } catch {
      this.post({ type: 'unreachable' });
      this.#retry = setTimeout(() => this.post({ type: 'retry' }), this.#backoff.next() + 2_000);
    }
  }

  /**
   * @param {string} secret
   * @param {string} name
   */
  async #join(secret, name) {
    try {
      await this.#house.join(secret, name);
      this.post({ type: 'joined', name });
    } catch (error) {
      const { code, message, retryAfter } = refusalOf(error);
      this.post({ type: 'refused', code, text: code === 'broken' ? '' : message, retryAfter });
    }
  }
}

const words = new Words(choose(navigator.languages ?? [navigator.language]));
document.documentElement.lang = words.language;
document.title = words.say('app.title');
words.fill(document);
new Joining(words).start();
