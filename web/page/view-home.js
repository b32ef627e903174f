// The home view: the doors to look at, who is here to be called, what was missed.

import { supported } from './call.js';
import { byId, element, icon, show, write } from './dom.js';
import { screen } from './state.js';

/**
 * @typedef {import('./turn.js').State} State
 * @typedef {(event: {type: string, [field: string]: any}) => void} Post
 * @typedef {import('./i18n.js').Words} Words
 */

/** HomeView shows what there is while no call is on. */
export class HomeView {
  #home = byId('home');
  #doors = byId('doors');
  #people = byId('peopleList');
  #callTo = byId('callToUsernameInput', HTMLInputElement);
  /** @type {Post} */ #post;
  /** @type {Words} */ #words;
  /** What the lists show, so that they are only made anew when that changed. */
  #shown = { doors: '', people: '', missed: '' };

  /**
   * @param {Post} post
   * @param {Words} words
   * @param {{version: string, me?: object}} settings  with me, the name is the house's and not to be changed here
   */
  constructor(post, words, settings) {
    this.#post = post;
    this.#words = words;
    write(byId('version'), settings.version);
    show(byId('unsupported'), !supported());
    show(byId('insecure'), supported() && !window.isSecureContext);
    byId('callForm', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#callTo.value.trim()) post({ type: 'call', peer: this.#callTo.value });
      else this.#callTo.focus();
    });
    show(byId('renameBtn'), !settings.me);
    show(byId('phonesBtn'), Boolean(settings.me));
    byId('renameBtn').addEventListener('click', () => post({ type: 'logout' }));
    byId('useHereBtn').addEventListener('click', () => post({ type: 'usehere' }));
    byId('dismissBtn').addEventListener('click', () => post({ type: 'dismiss' }));
    byId('missedBtn').addEventListener('click', () => post({ type: 'dismissmissed' }));
  }

  /** @param {State} state */
  render(state) {
    const visible = screen(state) === 'home';
    show(this.#home, visible);
    if (!visible) return;
    const { connection, me } = state;
    write(byId('connection'), this.#words.say('connection.' + connection));
    write(byId('me'), this.#words.say('home.me', { name: me }));
    show(byId('replaced'), connection === 'replaced');
    write(byId('replacedText'), this.#words.say('replaced.text', { name: me }));
    this.#renderNotice(state);
    this.#renderMissed(state);
    this.#renderDoors(state);
    this.#renderPeople(state);
    byId('callBtn', HTMLButtonElement).disabled = !canCall(state);
  }

  /** @param {State} state */
  #renderNotice({ notice }) {
    show(byId('notice'), notice !== null);
    if (!notice) return;
    write(byId('noticeText'), this.#words.say(noticeKey(notice), { peer: notice.peer, by: notice.by }));
    byId('notice').dataset.key = notice.key;
    const again = byId('againBtn');
    show(again, Boolean(notice.again));
    again.onclick = () => this.#post({ type: 'call', peer: notice.again?.peer });
  }

  /** @param {State} state */
  #renderMissed({ missed }) {
    show(byId('missed'), missed.length > 0);
    if (!this.#changed('missed', missed)) return;
    const now = Date.now();
    byId('missedList').replaceChildren(...missed.map(({ peer, kind, at }) => {
      const item = element('li', '', this.#words.say('missed.' + kind, { peer, time: this.#words.time(at, now) }));
      item.dataset.name = peer;
      item.dataset.kind = kind;
      return item;
    }));
  }

  /**
   * Doors that are here; where none is, or nobody says, the one from the settings.
   * @param {State} state
   */
  #renderDoors(state) {
    const here = state.peers?.filter(({ kind }) => kind === 'door').map(({ name }) => name) ?? [];
    const fallback = here.length === 0 && state.door ? [state.door] : [];
    const away = state.peers !== null && here.length === 0;
    const doors = [...here, ...fallback].map((name) => ({ name, away, off: away || !canCall(state) }));
    if (!this.#changed('doors', doors)) return;
    const focused = focusedName(this.#doors);
    this.#doors.replaceChildren(...doors.map((door) => this.#door(door)));
    refocus(this.#doors, focused);
  }

  /** @param {{name: string, away: boolean, off: boolean}} door */
  #door({ name, away, off }) {
    const label = element('strong', '', this.#words.say('home.look'));
    const state = element('span', '', away ? `${name} · ${this.#words.say('home.away')}` : name);
    const button = element('button', 'door', icon('door'), label, state);
    button.type = 'button';
    button.disabled = off;
    Object.assign(button.dataset, { name, kind: 'door', present: String(!away) });
    button.addEventListener('click', () => this.#post({ type: 'call', peer: name }));
    return button;
  }

  /** @param {State} state */
  #renderPeople(state) {
    show(byId('people'), state.peers !== null);
    const people = (state.peers ?? []).filter(({ kind }) => kind !== 'door').map(({ name }) => ({ name, off: !canCall(state) }));
    if (!this.#changed('people', people)) return;
    const focused = focusedName(this.#people);
    this.#people.replaceChildren(...people.map(({ name, off }) => {
      const button = element('button', 'person', icon('person'), name, icon('phone'));
      button.type = 'button';
      button.disabled = off;
      button.setAttribute('aria-label', this.#words.say('home.call', { peer: name }));
      Object.assign(button.dataset, { name, kind: 'phone' });
      button.addEventListener('click', () => this.#post({ type: 'call', peer: name }));
      return element('li', '', button);
    }));
    refocus(this.#people, focused);
  }

  /**
   * @param {'doors' | 'people' | 'missed'} list
   * @param {unknown} value
   */
  #changed(list, value) {
    const text = JSON.stringify(value);
    if (text === this.#shown[list]) return false;
    this.#shown[list] = text;
    return true;
  }
}

/** @param {import('./turn.js').Notice} notice */
function noticeKey({ key, by }) {
  return key === 'end.answered' && !by ? 'end.elsewhere' : key;
}

/** @param {State} state */
function canCall(state) {
  return supported() && state.connection === 'online';
}

/**
 * focusedName returns the name on the focused button of a list, to be focused again when the list was made anew.
 * @param {HTMLElement} list
 */
function focusedName(list) {
  const active = document.activeElement;
  return active instanceof HTMLElement && list.contains(active) ? active.dataset.name : undefined;
}

/**
 * @param {HTMLElement} list
 * @param {string | undefined} name
 */
function refocus(list, name) {
  if (name === undefined) return;
  const buttons = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('button')]);
  buttons.find((button) => button.dataset.name === name)?.focus();
}
