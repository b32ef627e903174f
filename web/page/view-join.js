// The view of coming in.

import { byId, show, write } from './dom.js';
import { countdown } from './i18n.js';
import { asksFor } from './join-state.js';

/**
 * @typedef {import('./join-state.js').State} State
 * @typedef {(event: {type: string, [field: string]: any}) => void} Post
 * @typedef {import('./i18n.js').Words} Words
 */

/** JoinView asks for the secret, where it isn't known, and for this phone's name. */
export class JoinView {
  #root = document.documentElement.dataset;
  #secret = byId('secretInput', HTMLInputElement);
  #name = byId('nameInput', HTMLInputElement);
  #button = byId('joinBtn', HTMLButtonElement);
  #error = byId('joinError');
  /** @type {Words} */ #words;
  /** @type {State | null} */ #shown = null;
  #proposed = '';

  /**
   * @param {Post} post
   * @param {Words} words
   */
  constructor(post, words) {
    this.#words = words;
    byId('joinForm', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      post({ type: 'submit', secret: this.#secret.value, name: this.#name.value });
    });
    byId('retryBtn').addEventListener('click', () => post({ type: 'retry' }));
  }

  /**
   * @param {State} state
   * @param {number} now  ms since 1970
   */
  render(state, now) {
    const { view, claimed, linked, error } = state;
    this.#root.state = view;
    this.#root.claimed = String(claimed);
    const form = view === 'form' || view === 'joining';
    show(byId('loading'), view === 'loading' || view === 'done');
    show(byId('offline'), view === 'offline');
    show(byId('member'), view === 'member');
    show(byId('joinForm'), form);
    write(byId('joinTitle'), this.#words.say(form && !claimed ? 'join.claim' : 'join.title'));
    write(byId('memberText'), this.#words.say('join.member', { name: state.name }));
    show(byId('anewHint'), linked);
    write(byId('joinLead'), this.#words.say(!claimed ? 'join.unclaimed' : linked ? 'join.invited' : 'join.ask'));
    show(byId('consoleHint'), !claimed && !linked);
    show(byId('secretBox'), !linked);
    this.#renderError(state);
    this.#renderButtons(state, now);
    if (form) this.#fill(state);
    const appeared = form && !(this.#shown?.view === 'form' || this.#shown?.view === 'joining');
    if (form && (appeared || (error && error !== this.#shown?.error))) this.#focus(state);
    this.#shown = state;
  }

  /** @param {State} state */
  #renderError(state) {
    const { error } = state;
    if (error) this.#error.dataset.code = error.code;
    else delete this.#error.dataset.code;
    const key = 'join.error.' + error?.code;
    write(this.#error, error ? (this.#words.has(key) ? this.#words.say(key) : error.text || this.#words.say('join.error.other')) : '');
    const about = asksFor(state);
    this.#secret.setAttribute('aria-invalid', String(about === 'secret'));
    this.#name.setAttribute('aria-invalid', String(about === 'name'));
  }

  /**
   * @param {State} state
   * @param {number} now
   */
  #renderButtons({ view, claimed, until, openid }, now) {
    const waiting = until > now;
    this.#button.disabled = waiting || view === 'joining';
    const label = view === 'joining' ? 'join.joining' : waiting ? 'join.wait' : claimed ? 'join.title' : 'join.claim';
    write(this.#button, this.#words.say(label, { time: countdown(until - now) }));
    const provider = byId('openidBtn');
    show(provider, openid !== '');
    write(provider, this.#words.say('join.openid', { provider: openid }));
  }

  /** Writes the name that the state proposes, where it is news: what the person is typing stays. @param {State} state */
  #fill({ name }) {
    if (name !== this.#proposed) this.#name.value = name;
    this.#proposed = name;
  }

  /** @param {State} state */
  #focus(state) {
    const about = asksFor(state);
    if (about === 'name') this.#name.focus();
    else if (about === 'secret' || (!state.linked && !state.secret)) this.#secret.focus();
    else if (!state.error) this.#button.focus({ preventScroll: true });
  }
}
