// What the person does.

import { accepted, promote } from './state-ring.js';
import { look } from './state-standby.js';
import { times } from './turn.js';

/**
 * @typedef {import('./turn.js').Turn} Turn
 * @typedef {import('./turn.js').Event} Event
 */

/** @type {Record<string, (t: Turn, event: Event) => void>} */
export const person = {
  /** Calls somebody: a door is looked at, with the microphone closed; a phone is called with microphone and camera. */
  call(t, { peer, id, at }) {
    const name = String(peer).normalize('NFC').trim();
    if (!name || t.call || t.state.session !== 'in') return;
    const kind = t.kindOf(name);
    if (!t.online) {
      t.set({ notice: { key: 'end.offline', peer: name, again: { peer: name, kind } } });
      return;
    }
    if (name === t.state.me) {
      t.set({ notice: { key: 'end.myself', peer: name } });
      return;
    }
    if (kind === 'door' && look(t, name, at)) return;
    t.begin({ id, peer: name, kind, mine: true, phase: 'calling' });
    if (kind === 'door') t.offer();
    else t.ask();
  },

  accept(t) {
    const call = t.call;
    if (call?.phase !== 'ringing') return;
    if (call.offer) {
      accepted(t);
      return;
    }
    t.untimer('ring');
    t.change({ phase: 'incall', over: null });
    take(t, call);
    if (call.link !== 'connected') t.timer('giveup', times.giveUp);
    if (call.mic === 'off') t.ask();
  },

  decline(t) {
    if (t.call?.phase !== 'ringing') return;
    t.tell({ type: 'leave', reason: 'declined' });
    t.end();
    promote(t);
  },

  hangup(t) {
    if (!t.call) return;
    t.tell({ type: 'leave', reason: t.call.phase === 'ringing' ? 'declined' : 'hangup' });
    t.end();
    promote(t);
  },

  /** Stops the tone and lets it ring on for the others. */
  silence(t) {
    if (t.call?.phase === 'ringing') t.change({ silenced: true });
  },

  /** Talks to a door that so far was only looked at. A ring that a reload interrupted is taken by that. */
  talk(t) {
    const call = t.call;
    if (call?.phase !== 'viewing') return;
    t.change({ phase: 'incall' });
    if (call.resumed === 'ringing') take(t, call);
    t.ask();
  },

  /** Asks for the microphone again. */
  retrymic(t) {
    if (t.call?.phase === 'incall' && !['on', 'muted', 'asking'].includes(t.call.mic)) t.ask();
  },

  mute(t) {
    const call = t.call;
    if (!call || (call.mic !== 'on' && call.mic !== 'muted')) return;
    const muted = call.mic === 'on';
    t.change({ mic: muted ? 'muted' : 'on' });
    t.do({ do: 'mute', id: call.id, muted });
  },

  /** Leaves the call for the door's ring that waits behind it, and takes that. */
  switch(t) {
    const { waiting } = t.state;
    if (!waiting || !t.call) return;
    t.tell({ type: 'leave', reason: t.call.phase === 'ringing' ? 'declined' : 'hangup' });
    t.end();
    promote(t);
    person.accept(t, { type: 'accept', at: 0 });
  },

  /** Declines the ring that waits. */
  refuse(t) {
    const { waiting } = t.state;
    if (!waiting) return;
    const message = { type: 'leave', name: waiting.peer, call: waiting.message.call, reason: 'declined' };
    if (t.online) t.do({ do: 'send', message });
    t.set({ waiting: null });
    t.untimer('waiting');
  },

  dismiss(t) {
    t.set({ notice: null });
  },

  dismissmissed(t) {
    t.set({ missed: [] });
  },

  /** Takes up the call that a reload of the page interrupted, under its id. Saved is what savedCall made. */
  resume(t, { saved }) {
    if (t.call || !t.online) return;
    const { id, peer, kind, mine, phase, taken, wantsMic } = saved;
    t.begin({ id, peer, kind, mine, phase: 'calling', taken, wantsMic, resumed: phase });
    if (kind === 'door') t.offer();
    else if (mine) t.ask();
    else t.timer('answer', times.giveUp); // the phone that called renews the call when it sees us back
  },
};


/**
 * take tells the door that a person took its ring here. The accept follows the offer or answer that it is about; where that has
 * not gone out yet, or nothing can, it is owed.
 * @param {Turn} t
 * @param {import('./turn.js').Call} call
 */
function take(t, call) {
  const told = (call.mine || call.replied) && t.tell({ type: 'accept' });
  t.change({ taken: true, owed: !told });
}
