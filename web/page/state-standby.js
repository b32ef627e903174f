// Connections to the doors that are kept ready while no call is: a press, or a look, then needs no ICE and no DTLS.

import { times } from './turn.js';

/**
 * @typedef {import('./turn.js').Turn} Turn
 * @typedef {import('./turn.js').Standby} Standby
 * @typedef {import('./turn.js').State} State
 * @typedef {import('./turn.js').Message} Message
 */

/**
 * keepReady ends the connections that are not to be kept any longer, and sees to it that those come that are missing.
 * @param {Turn} t
 */
export function keepReady(t) {
  const doors = wanted(t.state);
  for (const one of t.state.standby) {
    if (!doors.includes(one.peer)) end(t, one, t.call ? 'busy' : 'hangup');
  }
  if (doors.some((door) => !of(t.state, door)) && !t.state.standbyDue) due(t, times.standby);
}

/**
 * makeReady makes those that are missing, since their time has come; one that came to nothing is made anew.
 * @param {Turn} t
 * @param {string} id  a fresh one
 */
export function makeReady(t, id) {
  t.set({ standbyDue: false });
  for (const one of t.state.standby) if (one.link !== 'connected') end(t, one, 'failed');
  const missing = wanted(t.state).filter((door) => !of(t.state, door));
  missing.forEach((peer, i) => {
    const one = { id: i ? `${id}-${i}` : id, peer, answered: false, link: /** @type {const} */ ('new') };
    t.set({ standby: [...t.state.standby, one] });
    t.do({ do: 'ready', id: one.id, peer, iceServers: t.state.iceServers });
  });
  if (missing.length > 0) due(t, times.standbyAgain); // to look after them
}

/**
 * readyHeard takes a message about a connection that is kept ready; false if it is about none.
 * @param {Turn} t
 * @param {Message} message
 * @param {number} at
 */
export function readyHeard(t, message, at) {
  const one = t.state.standby.find(({ id, peer }) => id === message.call && peer === message.name);
  if (!one) return false;
  if (message.type === 'answer' && message.answer) answered(t, one, message);
  else if (message.type === 'candidate' && message.candidate) t.do({ do: 'candidate', id: one.id, candidate: message.candidate });
  else if (message.type === 'leave' && message.reason === 'declined') without(t, one);
  else if (message.type === 'leave') lost(t, one);
  else if (message.type === 'press' && message.ring) {
    take(t, one, 'ringing', at);
    if (message.visit) t.know(message.visit);
    t.timer('ring', times.ring);
  }
  return true;
}

/**
 * readyLink follows the connection itself.
 * @param {Turn} t
 * @param {string} id
 * @param {string} link
 */
export function readyLink(t, id, link) {
  const one = t.state.standby.find((each) => each.id === id);
  if (!one) return;
  if (link === 'connected') {
    change(t, one, { link });
    if (t.state.standby.some((each) => each.link !== 'connected')) return;
    t.set({ standbyDue: false });
    t.untimer('standby');
  } else if (link === 'failed') {
    tell(t, one, 'failed');
    lost(t, one);
  } else change(t, one, { link: 'new' });
}

/**
 * look looks at a door through the connection that is ready; false if there is none.
 * @param {Turn} t
 * @param {string} peer
 * @param {number} at
 */
export function look(t, peer, at) {
  const one = of(t.state, peer);
  if (one?.link !== 'connected') return false;
  take(t, one, 'calling', at);
  t.offer();
  return true;
}

/**
 * leaveReady forgets all of them: their other ends do so too, or can't be told.
 * @param {Turn} t
 */
export function leaveReady(t) {
  for (const one of t.state.standby) forget(t, one);
}

/**
 * renewReady makes them anew, since this phone's network changed.
 * @param {Turn} t
 */
export function renewReady(t) {
  for (const one of t.state.standby) end(t, one, 'hangup');
}

/** @param {State} state */
function wanted({ connection, session, peers, call, cold }) {
  if (connection !== 'online' || session !== 'in' || !peers || call) return [];
  return peers.filter(({ name, kind }) => kind === 'door' && !cold.includes(name)).map(({ name }) => name);
}

/**
 * @param {State} state
 * @param {string} door
 */
function of(state, door) {
  return state.standby.find(({ peer }) => peer === door);
}

/**
 * @param {Turn} t
 * @param {Standby} one
 * @param {Message} message
 */
function answered(t, one, message) {
  if (!message.standby) { // it doesn't know what that is, and shows its picture
    tell(t, one, 'hangup');
    without(t, one);
    return;
  }
  change(t, one, { answered: true });
  t.do({ do: 'apply', id: one.id, answer: message.answer });
}

/**
 * take makes a call of it.
 * @param {Turn} t
 * @param {Standby} one
 * @param {'ringing' | 'calling'} phase
 * @param {number} at
 */
function take(t, one, phase, at) {
  t.set({ standby: t.state.standby.filter((each) => each !== one) });
  const connected = one.link === 'connected';
  t.begin({
    id: one.id, peer: one.peer, kind: 'door', mine: phase === 'calling', phase, warm: true, answered: phase === 'ringing',
    replied: phase === 'ringing', link: one.link, since: connected ? at : 0,
  });
}

/**
 * @param {Turn} t
 * @param {Standby} one
 * @param {Partial<Standby>} patch
 */
function change(t, one, patch) {
  t.set({ standby: t.state.standby.map((each) => (each === one ? { ...each, ...patch } : each)) });
}

/**
 * @param {Turn} t
 * @param {Standby} one
 * @param {string} reason
 */
function end(t, one, reason) {
  tell(t, one, reason);
  forget(t, one);
}

/**
 * @param {Turn} t
 * @param {Standby} one
 * @param {string} reason
 */
function tell(t, one, reason) {
  const here = t.state.peers?.some(({ name }) => name === one.peer);
  if (t.online && here) t.do({ do: 'send', message: { type: 'leave', name: one.peer, call: one.id, reason } });
}

/**
 * without does without any to that door.
 * @param {Turn} t
 * @param {Standby} one
 */
function without(t, one) {
  t.set({ cold: [...t.state.cold, one.peer] });
  forget(t, one);
}

/**
 * lost forgets one, and waits before the next is made.
 * @param {Turn} t
 * @param {Standby} one
 */
function lost(t, one) {
  forget(t, one);
  due(t, times.standbyAgain);
}

/**
 * @param {Turn} t
 * @param {Standby} one
 */
function forget(t, one) {
  t.set({ standby: t.state.standby.filter((each) => each.id !== one.id) });
  t.do({ do: 'unready', id: one.id });
}

/**
 * @param {Turn} t
 * @param {number} ms
 */
function due(t, ms) {
  t.set({ standbyDue: true });
  t.do({ do: 'timer', timer: 'standby', id: '', ms });
}
