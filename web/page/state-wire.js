// What the others say, one small function for each type of message.

import { promote, takeOffer } from './state-ring.js';
import { session } from './state-session.js';
import { readyHeard } from './state-standby.js';
import { concerns, times } from './turn.js';

/**
 * @typedef {import('./turn.js').Turn} Turn
 * @typedef {import('./turn.js').Event} Event
 * @typedef {import('./turn.js').Call} Call
 * @typedef {import('./turn.js').Message} Message
 */

/**
 * heard takes a message that came in. The event's id is for an offer that brings none.
 * @param {Turn} t
 * @param {Event} event
 */
export function heard(t, event) {
  /** @type {Message} */
  const message = event.message;
  if (message.type === 'offer') takeOffer(t, message, event.id);
  else if (message.type === 'presence') session.presence(t, event);
  else if (message.type === 'error') failed(t, message);
  else if (readyHeard(t, message, event.at)) return;
  else if (t.call && concerns(t.call, message)) inCall.get(message.type)?.(t, t.call, message, event.at);
  else if (t.state.waiting) whileWaiting(t, t.state.waiting, message, event.at);
}

/**
 * By type. A Map, since the type comes from outside, and an object also has what it inherits.
 * @type {Map<string, (t: Turn, call: Call, message: Message, at: number) => void>}
 */
const inCall = new Map(Object.entries(/** @satisfies {Record<string, (t: Turn, call: Call, message: Message, at: number) => void>} */ ({
  answer(t, call, message) {
    if (!message.answer || !call.pending) return;
    t.change({ pending: false, answered: true, replied: true });
    t.untimer('answer');
    if (call.link === 'connected') t.untimer('restart');
    else t.timer('restart', times.restart); // both offered at once, say, and each has the other's older one: begin anew
    t.do({ do: 'apply', id: call.id, answer: message.answer });
    if (call.link !== 'connected' && !call.answered) t.timer('giveup', times.giveUp);
    connected(t, call);
  },

  candidate(t, call, message) {
    if (message.candidate) t.do({ do: 'candidate', id: call.id, candidate: message.candidate });
  },

  /** The other end leaves. Where only its signaling has gone, the media decide. */
  leave(t, call, message, at) {
    const reason = message.reason || 'hangup';
    if (reason === 'gone' && call.link !== 'new') {
      t.change({ pending: false }); // its answer won't come; its return will be told
      return;
    }
    if (reason === 'gone' && call.resumed) return; // that was this page, before it was reloaded
    if (isMissed(call, reason)) {
      t.missed(call.peer, call.kind, at);
      t.end();
    } else {
      t.end(endings.get(reason) ?? 'end.hangup', { by: message.by, again: ['failed', 'busy', 'gone', 'codec'].includes(reason) });
    }
    promote(t);
  },

  /** The button was pressed, again or while this phone watches the door; with a reason, such a ring over a look is over. */
  press(t, call, message, at) {
    if (message.reason) {
      ringOver(t, call, message.reason, at);
    } else if (call.phase === 'ringing') {
      t.change({ silenced: false });
      t.timer('ring', times.ring);
      t.do({ do: 'sound', sound: 'ring' });
    } else if (message.ring && !call.taken) {
      // A look that crossed the press has become the ring itself, where its connection stood ready.
      t.change({ phase: 'ringing', over: call.warm && call.phase === 'calling' ? null : call.phase, silenced: false });
      t.timer('ring', times.ring);
      if (message.visit) t.know(message.visit);
    } else {
      t.change({ pressed: at });
      t.timer('pressed', times.pressed);
      t.do({ do: 'sound', sound: 'again' });
    }
  },

  /** What the door's devices do. */
  status(t, call, { camera, microphone, speaker, button }) {
    const { devices } = call;
    t.change({
      devices: {
        camera: camera ?? devices.camera,
        microphone: microphone ?? devices.microphone,
        speaker: speaker ?? devices.speaker,
        button: button ?? devices.button,
      },
    });
  },
})));

/**
 * ringOver lets a phone that was looking before it rang go on looking.
 * @param {Turn} t
 * @param {Call} call
 * @param {string} reason
 * @param {number} at
 */
function ringOver(t, call, reason, at) {
  if (call.phase !== 'ringing') return;
  t.untimer('ring');
  t.change({ phase: call.over ?? 'viewing', over: null });
  if (reason === 'missed') t.missed(call.peer, call.kind, at);
}

const endings = new Map(Object.entries({
  hangup: 'end.hangup', declined: 'end.declined', answered: 'end.answered', gone: 'end.gone', busy: 'end.busy',
  revoked: 'end.revoked', shutdown: 'end.shutdown', failed: 'end.failed', codec: 'end.codec', missed: 'end.hangup',
}));

/**
 * isMissed tells whether nobody took what rang here: the door said so, or the phone that called gave up.
 * @param {Call} call
 * @param {string} reason
 */
function isMissed(call, reason) {
  if (reason === 'missed') return !call.taken && !call.mine;
  return call.phase === 'ringing' && call.kind === 'phone' && (reason === 'hangup' || reason === 'gone');
}

/**
 * connected moves a call on whose first answer has come.
 * @param {Turn} t
 * @param {Call} call
 */
function connected(t, call) {
  if (call.phase === 'ringing' && call.over === 'calling') t.change({ over: 'viewing' });
  if (call.phase !== 'calling') return;
  if (call.kind === 'phone') {
    t.change({ phase: 'incall' });
    return;
  }
  t.change({ phase: call.resumed === 'incall' ? 'incall' : 'viewing' });
  if (call.resumed === 'incall' && call.wantsMic) t.ask();
}

/**
 * failed takes an error message. Only one about this phone's offer matters to a call.
 * @param {Turn} t
 * @param {Message} message
 */
function failed(t, message) {
  const call = t.call;
  if (!call?.pending || message.about !== 'offer' || !concerns(call, message)) return;
  t.change({ pending: false });
  if (call.answered || call.resumed) return; // the attempts go on until their time is over
  t.end(message.code === 'not-found' ? 'end.not-here' : 'end.failed', { again: true });
  promote(t);
}

/**
 * whileWaiting takes a message about the door's ring that waits behind a call.
 * @param {Turn} t
 * @param {import('./turn.js').Waiting} waiting
 * @param {Message} message
 * @param {number} at
 */
function whileWaiting(t, waiting, message, at) {
  if (!concerns({ peer: waiting.peer, id: waiting.message.call ?? '' }, message)) return;
  if (message.type === 'candidate' && message.candidate && waiting.candidates.length < 100) {
    t.set({ waiting: { ...waiting, candidates: [...waiting.candidates, message.candidate] } });
  } else if (message.type === 'press') {
    t.do({ do: 'sound', sound: 'again' });
  } else if (message.type === 'leave') {
    t.set({ waiting: null });
    t.untimer('waiting');
    if (message.reason === 'missed') t.missed(waiting.peer, 'door', at);
  }
}
