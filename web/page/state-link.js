// The media connection of the call, what the browser gave, and times that ran out.

import { promote } from './state-ring.js';
import { makeReady, readyLink, renewReady } from './state-standby.js';
import { times } from './turn.js';

/**
 * @typedef {import('./turn.js').Turn} Turn
 * @typedef {import('./turn.js').Event} Event
 */

/**
 * returned renews the call after this phone or its other end came back to the relay: so the relay knows again who talks to whom.
 * @param {Turn} t
 */
export function returned(t) {
  t.change({ pending: false }); // an offer from before will have no answer
  t.reoffer();
}

/** @type {Record<string, (t: Turn, event: Event) => void>} */
export const link = {
  /** The media connection changed. */
  link(t, { id, link: now, at }) {
    const call = t.call;
    if (!call || call.id !== id) {
      readyLink(t, id, now);
      return;
    }
    if (now === 'connected') {
      t.change({ link: 'connected', since: call.since || at });
      t.untimer('settle', 'giveup');
      if (!call.pending) t.untimer('restart');
      return;
    }
    if (call.link === 'connected') {
      t.change({ link: 'reconnecting' });
      t.timer('giveup', times.giveUp);
    }
    if (now === 'failed') t.reoffer();
    else t.timer('settle', times.settle);
  },

  /** The phone's network changed: the old way is likely gone before anybody notices. */
  network(t) {
    if (t.call?.answered) t.reoffer();
    renewReady(t);
  },

  /** An offer was made and sent. */
  offered(t, { id }) {
    if (t.call && t.call.id === id) payAccept(t);
  },

  /** An answer was made and sent: only now may an accept follow it. */
  replied(t, { id }) {
    if (!t.call || t.call.id !== id) return;
    t.change({ replied: true });
    payAccept(t);
  },

  /** The browser gave, or didn't give, microphone and camera. */
  asked(t, { id, mic, seen }) {
    const call = t.call;
    if (!call || call.id !== id) return;
    t.change({ mic, seen: Boolean(seen) });
    if (call.offer) {
      t.do({ do: 'answer', id, offer: call.offer, preview: false });
      t.change({ offer: null, answered: true });
      t.timer('giveup', times.giveUp);
    } else if (call.mine && !call.answered && !call.pending && call.kind === 'phone') {
      t.offer();
    }
  },

  /** The microphone was unplugged, or taken away. */
  miclost(t, { id }) {
    if (t.call && t.call.id === id) t.change({ mic: 'lost' });
  },

  /** The browser could not do its part of the offer and answer. */
  broke(t, { id, what }) {
    const call = t.call;
    if (!call || call.id !== id) return;
    if (what === 'use') t.change({ mic: 'lost' });
    if (what === 'use' || what === 'candidate') return;
    t.change({ pending: false });
    if (call.answered && (what === 'offer' || what === 'apply')) {
      t.timer('restart', times.settle);
      return;
    }
    t.tell({ type: 'leave', reason: 'failed' });
    t.end('end.failed', { again: call.phase !== 'ringing' });
    promote(t);
  },

  /** A time ran out. */
  timer(t, { timer, id, at, fresh }) {
    if (timer === 'standby') {
      makeReady(t, fresh);
    } else if (timer === 'waiting') {
      if (t.state.waiting && (t.state.waiting.message.call ?? '') === id) t.set({ waiting: null });
    } else if (t.call && t.call.id === id) {
      timers[timer]?.(t, t.call, at);
    }
  },
};

/**
 * payAccept sends the accept that could not be sent when the person accepted.
 * @param {Turn} t
 */
function payAccept(t) {
  if (t.call?.owed && t.tell({ type: 'accept' })) t.change({ owed: false });
}

/** @type {Record<string, (t: Turn, call: import('./turn.js').Call, at: number) => void>} */
const timers = {
  answer(t, call) {
    if (call.phase !== 'calling' && call.over !== 'calling') return;
    t.tell({ type: 'leave', reason: call.kind === 'phone' ? 'missed' : 'hangup' });
    t.end('end.no-answer', { again: true });
    promote(t);
  },

  ring(t, call, at) {
    if (call.phase !== 'ringing') return;
    if (call.over) {
      t.change({ phase: call.over, over: null });
      return;
    }
    t.missed(call.peer, call.kind, at);
    t.tell({ type: 'leave', reason: 'missed' });
    t.end();
    promote(t);
  },

  settle(t, call) {
    if (call.link !== 'connected') t.reoffer();
  },

  restart(t, call) {
    t.change({ pending: false });
    if (call.link !== 'connected') t.reoffer(true);
  },

  giveup(t, call) {
    if (call.link === 'connected' || call.phase === 'ringing') return;
    t.tell({ type: 'leave', reason: 'failed' });
    t.end('end.lost', { again: true });
    promote(t);
  },

  pressed(t) {
    t.change({ pressed: 0 });
  },
};
