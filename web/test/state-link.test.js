// Connections that break and come back: of the media, of the signaling, of the whole page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { savedCall, screen } from '../page/state.js';
import { answer, Driver, offer, ring } from './support.js';

const { sent, did } = Driver;
const restart = { do: 'offer', restart: true, fresh: false };

/** talking is a phone in a call that the door's ring began. */
function talking() {
  const d = new Driver();
  d.hear(ring());
  d.post({ type: 'replied', id: 'r1' });
  d.post({ type: 'link', id: 'r1', link: 'connected' });
  d.post({ type: 'accept' });
  d.post({ type: 'asked', id: 'r1', mic: 'on' });
  d.effects = [];
  return d;
}

/** between is a call between phones; mine says who called. */
function between(mine) {
  const d = new Driver();
  if (mine) d.post({ type: 'call', peer: 'Anna', id: 'c1' });
  else d.hear({ type: 'offer', name: 'Anna', call: 'c1', offer: offer() });
  if (!mine) d.post({ type: 'accept' });
  d.post({ type: 'asked', id: 'c1', mic: 'on', seen: true });
  if (mine) d.hear({ type: 'answer', name: 'Anna', call: 'c1', answer: answer() });
  d.post({ type: 'link', id: 'c1', link: 'connected' });
  d.effects = [];
  return d;
}

test('a break is waited out for a moment, then the page renews the connection, then makes it afresh', () => {
  const d = talking();
  const effects = d.post({ type: 'link', id: 'r1', link: 'disconnected' });
  assert.equal(d.call.link, 'reconnecting');
  assert.deepEqual(did(effects, 'offer'), []);
  assert.deepEqual(did(effects, 'timer').map(({ timer, ms }) => [timer, ms]), [['giveup', 30_000], ['settle', 2_000]]);
  assert.deepEqual(did(d.post({ type: 'timer', timer: 'settle', id: 'r1' }), 'offer'), [{ ...restart, id: 'r1' }]);
  assert.deepEqual(did(d.post({ type: 'timer', timer: 'restart', id: 'r1' }), 'offer'), [{ ...restart, id: 'r1', fresh: true }]);
  d.post({ type: 'link', id: 'r1', link: 'connected' });
  assert.equal(d.call.link, 'connected');
});

test('a failed connection is renewed at once, and given up after 30 s', () => {
  const d = talking();
  assert.equal(did(d.post({ type: 'link', id: 'r1', link: 'failed' }), 'offer').length, 1);
  const effects = d.post({ type: 'timer', timer: 'giveup', id: 'r1' });
  assert.deepEqual(sent(effects).map((message) => message.reason), ['failed']);
  assert.deepEqual(d.state.notice, { key: 'end.lost', peer: 'doorbell', by: undefined, again: { peer: 'doorbell', kind: 'door' } });
});

test('one offer at a time', () => {
  const d = talking();
  assert.equal(did(d.post({ type: 'network' }), 'offer').length, 1);
  assert.equal(did(d.post({ type: 'link', id: 'r1', link: 'failed' }), 'offer').length, 0);
  d.hear({ type: 'answer', name: 'doorbell', call: 'r1', answer: answer() });
  assert.equal(did(d.post({ type: 'network' }), 'offer').length, 1);
});

test('the signaling breaks: the call goes on, and is offered again when it returns', () => {
  const d = talking();
  d.post({ type: 'down' });
  assert.equal(screen(d.state), 'incall');
  assert.equal(did(d.post({ type: 'network' }), 'offer').length, 0, 'nothing can be sent');
  const effects = d.post({ type: 'welcome', message: { type: 'login', success: true, here: [] } });
  assert.deepEqual(did(effects, 'offer'), [{ ...restart, id: 'r1' }]);
});

test('the door\'s signaling goes: the media decide; when it returns, the call is offered again', () => {
  const d = talking();
  d.hear({ type: 'presence', name: 'doorbell', kind: 'door', present: false });
  d.hear({ type: 'leave', name: 'doorbell', reason: 'gone' });
  assert.equal(screen(d.state), 'incall');
  const effects = d.hear({ type: 'presence', name: 'doorbell', kind: 'door', present: true });
  assert.deepEqual(did(effects, 'offer'), [{ ...restart, id: 'r1' }]);
});

test('an offer that finds nobody does not end a call, and is tried again', () => {
  const d = talking();
  d.post({ type: 'link', id: 'r1', link: 'failed' });
  d.hear({ type: 'error', code: 'not-found', about: 'offer', name: 'doorbell' });
  assert.equal(screen(d.state), 'incall');
  assert.equal(did(d.post({ type: 'timer', timer: 'restart', id: 'r1' }), 'offer').length, 1);
});

test('between phones only who called renews', () => {
  assert.equal(did(between(true).post({ type: 'link', id: 'c1', link: 'failed' }), 'offer').length, 1);
  const called = between(false);
  assert.equal(did(called.post({ type: 'link', id: 'c1', link: 'failed' }), 'offer').length, 0);
  assert.deepEqual(did(called.hear({ type: 'offer', name: 'Anna', call: 'c1', offer: offer(2) }), 'answer'), [
    { do: 'answer', id: 'c1', offer: offer(2), preview: false },
  ]);
});

test('the door offers during this phone\'s renewal: the phone\'s wins', () => {
  const d = talking();
  d.post({ type: 'network' });
  assert.deepEqual(d.hear(ring('r1')), []);
  assert.deepEqual(d.hear(ring('r2')), []);
});

test('the page is reloaded in a call with the door: same id, microphone again', () => {
  const saved = savedCall(talking().state);
  assert.deepEqual(saved, { id: 'r1', peer: 'doorbell', kind: 'door', mine: false, taken: true, phase: 'incall', wantsMic: true });
  const d = new Driver();
  const effects = d.post({ type: 'resume', saved });
  assert.equal(did(effects, 'offer')[0].id, 'r1');
  assert.equal(screen(d.state), 'calling');
  d.hear({ type: 'leave', name: 'doorbell', call: 'r1', reason: 'gone' });
  assert.equal(screen(d.state), 'calling', 'the old page\'s end');
  const answered = d.hear({ type: 'answer', name: 'doorbell', call: 'r1', answer: answer() });
  assert.equal(screen(d.state), 'incall');
  assert.equal(did(answered, 'ask').length, 1);
  assert.equal(d.call.taken, true);
});

test('the page is reloaded while it rings: the picture returns, and talking takes the ring', () => {
  const before = new Driver();
  before.hear(ring());
  const d = new Driver();
  d.post({ type: 'resume', saved: savedCall(before.state) });
  d.hear({ type: 'answer', name: 'doorbell', call: 'r1', answer: answer() });
  assert.equal(screen(d.state), 'viewing');
  assert.deepEqual(sent(d.post({ type: 'talk' })), [{ type: 'accept', name: 'doorbell', call: 'r1' }]);
});

test('the page is reloaded in a phone\'s call: who called offers, the other waits for that', () => {
  const caller = new Driver();
  caller.post({ type: 'resume', saved: savedCall(between(true).state) });
  assert.equal(did(caller.post({ type: 'asked', id: 'c1', mic: 'on', seen: true }), 'offer').length, 1);

  const called = new Driver();
  assert.deepEqual(did(called.post({ type: 'resume', saved: savedCall(between(false).state) }), 'offer'), []);
  const effects = called.hear({ type: 'offer', name: 'Anna', call: 'c1', offer: offer() });
  assert.equal(did(effects, 'ask').length, 1);
  assert.equal(did(called.post({ type: 'asked', id: 'c1', mic: 'on' }), 'answer').length, 1);
  assert.equal(screen(called.state), 'incall');

  const nobody = new Driver();
  nobody.post({ type: 'resume', saved: savedCall(between(false).state) });
  nobody.post({ type: 'timer', timer: 'answer', id: 'c1' });
  assert.equal(nobody.call, null);
});

test('nothing is saved of what has not begun', () => {
  const d = new Driver();
  assert.equal(savedCall(d.state), undefined);
  d.hear({ type: 'offer', name: 'Anna', call: 'c1', offer: offer() });
  assert.equal(savedCall(d.state), undefined);
});

test('replaced by another window: the call ends here without a word; this window can take over again', () => {
  const d = talking();
  const effects = d.post({ type: 'replaced' });
  assert.deepEqual(sent(effects), []);
  assert.equal(d.call, null);
  assert.equal(d.state.connection, 'replaced');
  assert.deepEqual(d.post({ type: 'usehere' }), [{ do: 'login', name: 'Kitchen', known: true }]);
});

test('late results of an old call change nothing', () => {
  const d = talking();
  const before = d.state;
  for (const event of [
    { type: 'link', link: 'failed' }, { type: 'asked', mic: 'on' }, { type: 'offered' }, { type: 'replied' },
    { type: 'broke', what: 'offer' }, { type: 'miclost' }, { type: 'timer', timer: 'giveup' },
  ]) {
    assert.deepEqual(d.post({ ...event, id: 'old' }), []);
    assert.equal(d.state, before);
  }
});

test('log-in: refused for good, refused for now, renamed', () => {
  const d = new Driver();
  d.post({ type: 'refused', reason: 'full', text: '', retrying: true });
  assert.equal(d.state.session, 'in');
  d.post({ type: 'refused', reason: 'taken', text: '', retrying: false });
  assert.equal(screen(d.state), 'login');
  assert.equal(d.state.refused.reason, 'taken');
  d.online([]);
  assert.equal(d.state.refused, null);
  d.post({ type: 'logout' });
  assert.equal(screen(d.state), 'login');
  assert.deepEqual(d.post({ type: 'login', name: '  ' }), []);
});

test('presence: who comes and goes, never oneself', () => {
  const d = new Driver([]);
  d.hear({ type: 'presence', name: 'Zoe', kind: 'phone', present: true });
  d.hear({ type: 'presence', name: 'Anna', present: true });
  d.hear({ type: 'presence', name: 'Kitchen', kind: 'phone', present: true });
  assert.deepEqual(d.state.peers, [{ name: 'Anna', kind: 'phone' }, { name: 'Zoe', kind: 'phone' }]);
  d.hear({ type: 'presence', name: 'Anna', present: false });
  assert.deepEqual(d.state.peers.map(({ name }) => name), ['Zoe']);
});
