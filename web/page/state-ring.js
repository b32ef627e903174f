// Offers that come in: rings of the door, calls of other phones, renewals of the call that is.

import { times } from './turn.js';

/**
 * @typedef {import('./turn.js').Turn} Turn
 * @typedef {import('./turn.js').Call} Call
 * @typedef {import('./turn.js').Message} Message
 */

/**
 * takeOffer takes an offer. Id is used where the offer brings none.
 * @param {Turn} t
 * @param {Message} message
 * @param {string} id
 */
export function takeOffer(t, message, id) {
  if (!message.offer || !message.name) return;
  const call = t.call;
  if (!call) ring(t, message, id);
  else if (call.peer !== message.name) busy(t, message);
  else if (call.kind === 'door') fromDoor(t, call, message, id);
  else fromPhone(t, call, message, id);
}

/**
 * ring begins an incoming call. A door's ring is answered at once with a preview, so that the picture is there while it rings;
 * any other offer waits for a person, since an answer without preview is an accepted call.
 * @param {Turn} t
 * @param {Message} message
 * @param {string} id
 */
export function ring(t, message, id) {
  const peer = message.name ?? '';
  const preview = message.ring === true;
  t.begin({
    id: message.call || id,
    tagged: Boolean(message.call),
    peer,
    kind: preview ? 'door' : t.kindOf(peer),
    mine: false,
    phase: 'ringing',
    offer: preview ? null : message.offer,
    answered: preview,
  });
  if (preview && message.call) t.know(message.call);
  if (preview) t.do({ do: 'answer', id: message.call || id, offer: message.offer, preview: true });
  t.timer('ring', times.ring);
}

/**
 * promote makes a waiting ring the call, when the call before it has ended.
 * @param {Turn} t
 */
export function promote(t) {
  const waiting = t.state.waiting;
  if (t.call || !waiting) return;
  t.set({ waiting: null });
  t.untimer('waiting');
  const id = waiting.message.call ?? '';
  ring(t, waiting.message, id);
  for (const candidate of waiting.candidates) t.do({ do: 'candidate', id, candidate });
}

/**
 * busy takes an offer of somebody else during a call. A door's ring is shown, and waits; another phone hears that it is busy.
 * @param {Turn} t
 * @param {Message} message
 */
function busy(t, message) {
  const { waiting } = t.state;
  const waits = message.ring && message.call && (!waiting || waiting.peer === message.name);
  if (waits) {
    t.know(message.call ?? '');
    t.set({ waiting: { peer: message.name ?? '', message, candidates: [] } });
    t.do({ do: 'timer', timer: 'waiting', id: message.call, ms: times.ring });
  } else if (t.online) {
    const leave = { type: 'leave', name: message.name, reason: 'busy', ...(message.call && { call: message.call }) };
    t.do({ do: 'send', message: leave });
  }
}

/**
 * fromDoor takes an offer of the door that the call is with. This phone's own offer always wins; a door that rings under a new
 * id has forgotten its old ring.
 * @param {Turn} t
 * @param {Call} call
 * @param {Message} message
 * @param {string} id
 */
function fromDoor(t, call, message, id) {
  if (call.pending) return;
  if (isSame(call, message)) renew(t, call, message);
  else if (!call.mine) replace(t, message, id);
}

/**
 * fromPhone takes an offer of the phone that the call is with. Where both called each other, the smaller name's call stands.
 * @param {Turn} t
 * @param {Call} call
 * @param {Message} message
 * @param {string} id
 */
function fromPhone(t, call, message, id) {
  if (call.phase === 'calling' && call.mine && !call.answered) {
    if (t.state.me < call.peer) return;
    replace(t, message, id);
    accepted(t);
  } else if (!isSame(call, message)) {
    replace(t, message, id);
  } else if (call.phase === 'ringing') {
    t.change({ offer: message.offer });
  } else if (call.mic === 'asking' && call.offer) {
    t.change({ offer: message.offer });
  } else if (!call.answered) {
    t.change({ offer: message.offer, phase: 'incall' }); // the page was reloaded, and the other one renews the call
    t.untimer('answer');
    t.ask();
  } else if (!call.pending) {
    renew(t, call, message);
  }
}

/**
 * accepted lets a phone's call begin: what the browser gives is asked for, then the offer is answered.
 * @param {Turn} t
 */
export function accepted(t) {
  t.change({ phase: 'incall' });
  t.untimer('ring');
  t.ask();
}

/**
 * isSame tells whether an offer is about the call that is. A base client's has no id.
 * @param {Call} call
 * @param {Message} message
 */
function isSame(call, message) {
  return message.call ? message.call === call.id : call.answered || call.phase === 'ringing' && !call.tagged;
}

/**
 * renew answers a new offer within the call.
 * @param {Turn} t
 * @param {Call} call
 * @param {Message} message
 */
function renew(t, call, message) {
  if (call.offer) {
    t.change({ offer: message.offer });
    return;
  }
  const preview = call.kind === 'door' && call.phase === 'ringing' && !call.over;
  t.do({ do: 'answer', id: call.id, offer: message.offer, preview });
}

/**
 * replace drops the call without a word, since the other end has dropped it too, and takes the new one.
 * @param {Turn} t
 * @param {Message} message
 * @param {string} id
 */
function replace(t, message, id) {
  t.end();
  ring(t, message, id);
}
