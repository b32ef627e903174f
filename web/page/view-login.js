// The log-in view.

import { byId, show, write } from './dom.js';

/**
 * @typedef {import('./turn.js').State} State
 * @typedef {(event: {type: string, [field: string]: any}) => void} Post
 * @typedef {import('./i18n.js').Words} Words
 */

/** LoginView asks for a name. */
export class LoginView {
  #page = byId('loginPage');
  #input = byId('usernameInput', HTMLInputElement);
  #button = byId('loginBtn', HTMLButtonElement);
  #error = byId('loginError');
  /** @type {Words} */ #words;

  /**
   * @param {Post} post
   * @param {Words} words
   * @param {{open: boolean, me?: {name: string}}} settings  with me, there is nothing to ask
   */
  constructor(post, words, settings) {
    this.#words = words;
    show(byId('openNote'), settings.open);
    show(byId('loginName'), !settings.me);
    show(byId('loginMe'), Boolean(settings.me));
    write(byId('loginMe'), words.say('login.me', { name: settings.me?.name }));
    byId('loginForm', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#input.value.trim()) post({ type: 'login', name: this.#input.value });
      else this.#input.focus();
    });
  }

  /** @param {State} state */
  render({ session, refused, me }) {
    const visible = session === 'out' || session === 'joining';
    show(byId('revoked'), session === 'revoked');
    const appeared = visible && this.#page.hidden;
    show(this.#page, visible);
    if (!visible) return;
    if (appeared) {
      this.#input.value = me;
      this.#input.focus();
    }
    const joining = session === 'joining';
    this.#button.disabled = joining;
    write(this.#button, this.#words.say(joining ? 'login.joining' : 'login.button'));
    write(this.#error, refused ? this.#why(refused) : '');
    this.#input.setAttribute('aria-invalid', String(refused !== null));
  }

  /** @param {{reason: string, text: string}} refused */
  #why({ reason, text }) {
    const key = 'refused.' + reason;
    return this.#words.has(key) ? this.#words.say(key) : text || this.#words.say('refused.other');
  }
}
