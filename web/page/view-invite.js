// The view of a new invitation: for whom, then the code, the words and the link.

import { byId, show, write } from './dom.js';
import { countdown } from './i18n.js';
import { dayOf, endOfDay, longestGuest } from './phones-state.js';

/**
 * @typedef {import('./phones-state.js').State} State
 * @typedef {import('./i18n.js').Words} Words
 * @typedef {(event: {type: string, [field: string]: any}) => void} Post
 */

const day = 86_400_000; // ms

/** InviteView asks what the new phone may do, and shows the invitation. */
export class InviteView {
  #day = byId('guestUntil', HTMLInputElement);
  #code = byId('invitationQR', HTMLImageElement);
  #link = byId('invitationLink', HTMLAnchorElement);
  #copy = byId('copyBtn');
  /** @type {Words} */ #words;
  /** @type {import('./house.js').NewInvitation | null} */ #shown = null;

  /**
   * @param {Post} post
   * @param {Words} words
   */
  constructor(post, words) {
    this.#words = words;
    for (const choice of choices()) choice.addEventListener('change', () => post({ type: 'role', role: choice.value }));
    byId('addForm', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      post({ type: 'invite', until: endOfDay(this.#day.value) });
    });
    byId('takeBackBtn').addEventListener('click', () => this.#shown && post({ type: 'takeback', id: this.#shown.id }));
    byId('shareBtn').addEventListener('click', () => void this.#share());
    this.#copy.addEventListener('click', () => void this.#take());
    show(byId('shareBtn'), typeof navigator.share === 'function');
    show(this.#copy, Boolean(navigator.clipboard));
  }

  /**
   * @param {State} state
   * @param {number} now  ms since 1970
   */
  render({ view, role, busy, invitation }, now) {
    show(byId('addForm'), view === 'add');
    show(byId('invitation'), view === 'invitation');
    if (view === 'add') {
      for (const choice of choices()) choice.checked = choice.value === role;
      show(byId('guestBox'), role === 'guest');
      this.#day.min = dayOf(now);
      this.#day.max = dayOf(now + longestGuest - day);
      if (!this.#day.value) this.#day.value = dayOf(now + 7 * day);
      byId('createBtn', HTMLButtonElement).disabled = busy;
    }
    if (invitation !== this.#shown) this.#show(invitation);
    if (invitation) write(byId('invitationTime'), this.#words.say('phones.left', { time: countdown(invitation.expires - now) }));
  }

  /** @param {State['invitation']} invitation */
  #show(invitation) {
    this.#shown = invitation;
    write(byId('copyText'), this.#words.say('phones.copy'));
    write(byId('invitationRole'), invitation ? this.#right(invitation) : '');
    write(byId('invitationWords'), invitation?.words ?? '');
    write(this.#link, invitation?.link ?? '');
    if (invitation && /^https?:/.test(invitation.link)) this.#link.href = invitation.link;
    else this.#link.removeAttribute('href');
    if (invitation?.qr.startsWith('data:image/svg+xml')) this.#code.src = invitation.qr;
    else this.#code.removeAttribute('src');
    show(byId('invitationCode'), this.#code.hasAttribute('src'));
  }

  /** @param {{role: string, until: number}} invitation */
  #right({ role, until }) {
    const name = this.#words.say('role.' + role);
    return until ? `${name}, ${this.#words.say('phones.through', { day: this.#words.day(until) })}` : name;
  }

  async #share() {
    try {
      await navigator.share({ title: this.#words.say('app.title'), url: this.#shown?.link });
    } catch (error) {
      console.debug('the link was not shared', error); // the person thought better of it
    }
  }

  async #take() {
    try {
      await navigator.clipboard.writeText(this.#shown?.link ?? '');
      write(byId('copyText'), this.#words.say('phones.copied'));
    } catch {
      getSelection()?.selectAllChildren(this.#link); // then the person's own copy takes it
    }
  }
}

function choices() {
  return /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('input[name="role"]')]);
}
