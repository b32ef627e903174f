// The phone as states: step takes what is and what happened, and says what becomes of it and what is to be done. Pure, so that
// every order of events can be tried in a test.

import { link } from './state-link.js';
import { person } from './state-person.js';
import { session } from './state-session.js';
import { keepReady } from './state-standby.js';
import { heard } from './state-wire.js';
import { Turn } from './turn.js';

/**
 * @typedef {import('./turn.js').State} State
 * @typedef {import('./turn.js').Event} Event
 * @typedef {import('./turn.js').Effect} Effect
 * @typedef {import('./turn.js').Missed} Missed
 */

/**
 * initial returns the state of a page that was just opened.
 * @param {{door?: string, missed?: Missed[], known?: string[] | null}} [remembered]
 * @returns {State}
 */
export function initial({ door = '', missed = [], known = null } = {}) {
  return {
    me: '', session: 'out', refused: null, connection: 'offline', peers: null, iceServers: [], door,
    call: null, waiting: null, notice: null, standby: [], standbyDue: false, cold: [], missed, known,
  };
}

/** @type {Record<string, (t: Turn, event: Event) => void>} */
const handlers = { ...session, ...link, ...person, message: heard };

/**
 * step takes one event.
 * @param {State} state
 * @param {Event} event
 * @returns {{state: State, effects: Effect[]}}
 */
export function step(state, event) {
  const t = new Turn(state);
  handlers[event.type]?.(t, event);
  keepReady(t);
  return { state: t.state, effects: t.effects };
}

/**
 * screen names what the person sees: it is the page's data-state.
 * @param {State} state
 * @returns {'login' | 'home' | 'ringing' | 'calling' | 'viewing' | 'incall' | 'revoked'}
 */
export function screen(state) {
  if (state.call) return state.call.phase;
  if (state.session === 'revoked') return 'revoked';
  return state.session === 'in' ? 'home' : 'login';
}

/**
 * tone names what is to be heard now, '' for nothing.
 * @param {State} state
 * @returns {'' | 'ring' | 'waiting' | 'ringback'}
 */
export function tone({ call, waiting }) {
  if (call?.phase === 'ringing') return call.silenced ? '' : 'ring';
  if (waiting) return 'waiting';
  return call?.phase === 'calling' && call.kind === 'phone' && call.pending ? 'ringback' : '';
}

/**
 * audible tells whether the other end may be heard: not before a person accepted.
 * @param {State} state
 */
export function audible({ call }) {
  return call !== null && call.phase !== 'ringing' && call.phase !== 'calling';
}

/**
 * savedCall is what must be known to take the call up again after the page was reloaded; undefined where there is nothing to
 * take up.
 * @param {State} state
 */
export function savedCall({ call }) {
  if (!call || !(call.answered || call.resumed)) return undefined;
  const { id, peer, kind, mine, taken } = call;
  const phase = call.phase === 'calling' ? call.resumed : call.over ?? call.phase;
  const wantsMic = ['asking', 'on', 'muted'].includes(call.mic) || (call.phase === 'calling' && call.wantsMic);
  return { id, peer, kind, mine, taken, phase, wantsMic };
}
