// Coming in, as states: what is and what happened go in, what becomes of it and what is to be done come out. Pure.

import { another } from './system.js';
import { complete, normalise } from './secret.js';

/**
 * @typedef {object} State
 * @property {'loading' | 'offline' | 'form' | 'joining' | 'member' | 'done'} view
 * @property {boolean} claimed  the house has an owner
 * @property {string} door
 * @property {string} openid    the sign-in provider's name, '' for none
 * @property {string} secret    normalised; '' where there is none
 * @property {boolean} linked   the secret came with the link, so nobody need type it
 * @property {string} name      of this phone: proposed, typed, or the one that it has
 * @property {{code: string, text: string} | null} error
 * @property {number} until     no try before that, ms since 1970; 0 for at once
 *
 * @typedef {{type: string, [field: string]: any}} Event
 * @typedef {{do: 'ask'} | {do: 'join', secret: string, name: string} | {do: 'go'}} Effect
 */

const defaultWait = 60; // seconds after too many tries, where the house says no time

/**
 * initial returns the state of a page that was just opened.
 * @param {string} secret  from the link, normalised; '' where there was none
 * @param {string} name    proposed
 * @param {boolean} [refused]  the sign-in provider's answer was not enough to come in
 * @returns {State}
 */
export function initial(secret, name, refused = false) {
  const error = refused ? { code: 'openid-refused', text: '' } : null;
  return { view: 'loading', claimed: true, door: '', openid: '', secret, linked: secret !== '', name, error, until: 0 };
}

/** @type {Record<string, (state: State, event: any) => [Partial<State>, ...Effect[]]>} */
const handlers = {
  /** The house told how it stands. */
  told: (_, { claimed, door, openid = '' }) => [{ view: 'form', claimed, door, openid }],

  /** This phone belongs to the house already. */
  member: (_, { name }) => [{ view: 'member', name, error: null }],

  /** Here anybody may log in. */
  open: () => [{ view: 'done' }, { do: 'go' }],

  /** The house was not reached. */
  unreachable: () => [{ view: 'offline' }],
  retry: (state) => (state.view === 'offline' ? [{ view: 'loading' }, { do: 'ask' }] : [{}]),

  submit(state, { secret: typed, name: given, at }) {
    if (state.view !== 'form' || at < state.until) return [{}];
    const name = String(given).normalize('NFC').trim();
    const secret = state.linked ? state.secret : normalise(String(typed));
    const wrong = !secret ? 'secret-missing' : !complete(secret) ? 'secret-short' : !name ? 'name-missing' : '';
    if (wrong) return [{ secret, name, error: { code: wrong, text: '' } }];
    return [{ view: 'joining', secret, name, error: null, until: 0 }, { do: 'join', secret, name }];
  },

  joined: (_, { name }) => [{ view: 'done', name, error: null }, { do: 'go' }],

  refused(state, { code, text = '', retryAfter = 0, at }) {
    if (code === 'already-in' || code === 'open') return [{ view: 'loading', error: null }, { do: 'ask' }];
    const back = /** @type {Partial<State>} */ ({ view: 'form', error: { code, text } });
    if (code === 'wrong-secret') return [{ ...back, linked: false, secret: '' }];
    if (code === 'name-taken') return [{ ...back, name: another(state.name) }];
    if (code === 'too-many-tries') return [{ ...back, until: at + (retryAfter || defaultWait) * 1000 }];
    return [back];
  },

  /** Time passes. */
  tick: (state, { at }) => (state.until && at >= state.until ? [{ until: 0, error: null }] : [{}]),
};

/**
 * step takes one event.
 * @param {State} state
 * @param {Event} event  at: ms since 1970
 * @returns {{state: State, effects: Effect[]}}
 */
export function step(state, event) {
  const [patch, ...effects] = handlers[event.type]?.(state, event) ?? [{}];
  return { state: Object.keys(patch).length ? { ...state, ...patch } : state, effects };
}

/**
 * asksFor names the input that an error is about.
 * @param {State} state
 * @returns {'secret' | 'name' | ''}
 */
export function asksFor({ error }) {
  if (!error) return '';
  return /^(secret-|wrong-secret)/.test(error.code) ? 'secret' : error.code.startsWith('name-') ? 'name' : '';
}
