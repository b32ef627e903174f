// The view of the phones of the house: who belongs to it, and this phone's own place in it.

import { byId, element, icon, show, write } from './dom.js';
import { countdown } from './i18n.js';
import { manages } from './phones-state.js';

/**
 * @typedef {import('./phones-state.js').State} State
 * @typedef {import('./house.js').HousePhone} HousePhone
 * @typedef {import('./house.js').Invitation} Invitation
 * @typedef {import('./i18n.js').Words} Words
 * @typedef {(event: {type: string, [field: string]: any}) => void} Post
 */

/** PhonesView shows the section #phones in place of the home view's overview. */
export class PhonesView {
  #section = byId('phones');
  #list = byId('phonesList');
  #invitations = byId('invitationsList');
  /** @type {Post} */ #post;
  /** @type {Words} */ #words;
  #view = 'closed';
  /** What the lists show, so that they are only made anew when that changed. */
  #shown = { phones: '', invitations: '' };

  /**
   * @param {Post} post
   * @param {Words} words
   */
  constructor(post, words) {
    this.#post = post;
    this.#words = words;
    byId('inviteBtn').addEventListener('click', () => post({ type: 'add' }));
    byId('leaveBtn').addEventListener('click', () => post({ type: 'askleave' }));
    byId('leaveSureBtn').addEventListener('click', () => post({ type: 'leave' }));
    byId('stayBtn').addEventListener('click', () => post({ type: 'keep' }));
  }

  /**
   * @param {State} state
   * @param {number} now  ms since 1970
   */
  render(state, now) {
    const { view, me } = state;
    const open = view !== 'closed';
    show(byId('overview'), !open);
    show(this.#section, open);
    this.#section.dataset.view = view;
    const owner = manages(state);
    write(byId('phonesText'), this.#words.say(owner ? 'home.phones' : 'home.this'));
    if (open) {
      write(byId('phonesTitle'), this.#words.say(title(state)));
      show(byId('phonesOverview'), view === 'list');
      show(byId('phonesManage'), owner);
      show(byId('inviteBtn'), owner);
      write(byId('meName'), me.name);
      write(byId('meRole'), this.#right(me));
      show(byId('leaveBtn'), !state.leaving);
      show(byId('leaving'), state.leaving);
      this.#renderNotices(state);
      this.#renderPhones(state, now);
      this.#renderInvitations(state, now);
      for (const button of this.#section.querySelectorAll('button')) if (button.dataset.asks) button.disabled = state.busy;
    }
    if (view !== this.#view) (open ? byId('phonesTitle') : this.#view === 'closed' ? null : byId('phonesBtn'))?.focus();
    this.#view = view;
  }

  /** @param {State} state */
  #renderNotices({ notice, error }) {
    const noticed = byId('phonesNotice');
    show(noticed, notice !== null);
    if (notice) {
      noticed.dataset.key = notice.key;
      write(noticed, this.#words.say(notice.key, { name: notice.name }));
    }
    const failed = byId('phonesError');
    failed.dataset.code = error;
    const key = 'phones.error.' + error;
    write(failed, error ? this.#words.say(this.#words.has(key) ? key : 'phones.error.other') : '');
  }

  /**
   * right writes a role, and until when it holds.
   * @param {{role: string, until: number}} phone
   */
  #right({ role, until }) {
    const name = this.#words.say('role.' + role);
    return until ? `${name}, ${this.#words.say('phones.through', { day: this.#words.day(until) })}` : name;
  }

  /**
   * @param {State} state
   * @param {number} now
   */
  #renderPhones({ phones, removing }, now) {
    const rows = (phones ?? []).map((phone) => ({ phone, use: this.#use(phone, now), asked: phone.id === removing }));
    if (!this.#changed('phones', rows)) return;
    const focused = focusOf(this.#list);
    this.#list.replaceChildren(...rows.map((row) => this.#phone(row)));
    refocus(this.#list, focused, removing);
  }

  /**
   * use writes when a phone was last used.
   * @param {HousePhone} phone
   * @param {number} now
   */
  #use({ here, seen }, now) {
    if (here) return this.#words.say('phones.here');
    return seen ? this.#words.say('phones.seen', { ago: this.#words.ago(seen, now) }) : this.#words.say('phones.never');
  }

  /** @param {{phone: HousePhone, use: string, asked: boolean}} row */
  #phone({ phone, use, asked }) {
    const { id, name, role, here, me } = phone;
    const title = element('strong', '', name);
    if (me) title.append(' ', element('span', 'tag', this.#words.say('phones.me')));
    const text = element('div', 'who', title, element('span', 'quiet', this.#right(phone)), element('span', 'quiet use', use));
    const item = element('li', 'entry', text);
    Object.assign(item.dataset, { id, name, role, here: String(here), me: String(me) });
    if (asked) {
      const question = element('p', 'question', this.#words.say('phones.really', { name }));
      // What keeps the phone stands where the finger is after the first tap.
      const sure = this.#button('decline', 'phones.remove', 'remove', () => this.#post({ type: 'remove' }));
      const keep = this.#button('second', 'phones.keep', 'keep', () => this.#post({ type: 'keep' }));
      item.append(element('div', 'confirm', question, element('div', 'actions', sure, keep)));
    } else if (!me) {
      const remove = this.#button('plain', 'phones.remove', 'askremove', () => this.#post({ type: 'askremove', id }));
      remove.setAttribute('aria-label', this.#words.say('phones.removeof', { name }));
      item.append(remove);
    }
    return item;
  }

  /**
   * @param {State} state
   * @param {number} now
   */
  #renderInvitations({ invitations }, now) {
    const open = invitations.filter(({ expires }) => expires > now);
    show(byId('openInvitations'), open.length > 0);
    if (this.#changed('invitations', open)) {
      const focused = focusOf(this.#invitations);
      this.#invitations.replaceChildren(...open.map((invitation) => this.#invitation(invitation)));
      refocus(this.#invitations, focused, '');
    }
    for (const [i, { expires }] of open.entries()) {
      const left = this.#invitations.children[i].querySelector('.use');
      if (left instanceof HTMLElement) write(left, this.#words.say('phones.left', { time: countdown(expires - now) }));
    }
  }

  /** @param {Invitation} invitation */
  #invitation({ id, role, until }) {
    const right = this.#right({ role, until });
    const text = element('div', 'who', element('strong', '', this.#words.say('role.' + role)));
    if (until) text.append(element('span', 'quiet', this.#words.say('phones.through', { day: this.#words.day(until) })));
    text.append(element('span', 'quiet use'));
    const item = element('li', 'entry', text);
    Object.assign(item.dataset, { id, role });
    const back = this.#button('plain', 'phones.takeback', 'takeback', () => this.#post({ type: 'takeback', id }));
    back.setAttribute('aria-label', this.#words.say('phones.takebackof', { role: right }));
    item.append(back);
    return item;
  }

  /**
   * @param {string} kind
   * @param {string} key
   * @param {string} action
   * @param {() => void} act
   */
  #button(kind, key, action, act) {
    const made = element('button', kind, ...(action === 'askremove' ? [icon('remove')] : []), element('span', '', this.#words.say(key)));
    made.type = 'button';
    Object.assign(made.dataset, { action, ...(action !== 'keep' && action !== 'askremove' && { asks: 'house' }) });
    made.addEventListener('click', act);
    return made;
  }

  /**
   * @param {'phones' | 'invitations'} list
   * @param {unknown} value
   */
  #changed(list, value) {
    const text = JSON.stringify(value);
    if (text === this.#shown[list]) return false;
    this.#shown[list] = text;
    return true;
  }
}

/** @param {State} state */
function title(state) {
  if (state.view === 'add') return 'phones.add';
  if (state.view === 'invitation') return 'phones.invitation';
  return manages(state) ? 'home.phones' : 'home.this';
}

/**
 * focusOf notes which entry of a list has the focus, to be focused again when the list was made anew.
 * @param {HTMLElement} list
 */
function focusOf(list) {
  const active = document.activeElement;
  if (!(active instanceof HTMLElement) || !list.contains(active)) return null;
  const entry = active.closest('li');
  return entry ? { id: entry.dataset.id, action: active.dataset.action } : null;
}

/**
 * @param {HTMLElement} list
 * @param {{id?: string, action?: string} | null} focused
 * @param {string} asked  id of the entry that asks back
 */
function refocus(list, focused, asked) {
  if (!focused) return;
  const entry = /** @type {HTMLElement[]} */ ([...list.children]).find(({ dataset }) => dataset.id === focused.id);
  const buttons = /** @type {HTMLElement[]} */ ([...(entry?.querySelectorAll('button') ?? [])]);
  const wanted = buttons.find(({ dataset }) => dataset.action === (asked === focused.id && focused.action === 'askremove' ? 'keep' : focused.action));
  (wanted ?? buttons.at(-1) ?? byId('phonesTitle')).focus();
}
