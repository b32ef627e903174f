// Looking at the door, calls between phones, and both at the same time.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { audible, screen, tone } from '../page/state.js';
import { answer, Driver, offer, ring } from './support.js';

const { sent, did } = Driver;

/** viewing is a phone that looks at the door. */
function viewing() {
  const d = new Driver();
  d.post({ type: 'call', peer: 'doorbell', id: 'v1' });
  d.hear({ type: 'answer', name: 'doorbell', call: 'v1', answer: answer() });
  return d;
}

test('one tap looks at the door: an offer, sound, and no microphone', () => {
  const d = new Driver();
  const effects = d.post({ type: 'call', peer: 'doorbell', id: 'v1' });
  assert.deepEqual(did(effects, 'offer'), [{ do: 'offer', id: 'v1', restart: false, fresh: false }]);
  assert.equal(screen(d.state), 'calling');
  assert.equal(tone(d.state), '');
  d.hear({ type: 'answer', name: 'doorbell', call: 'v1', answer: answer() });
  assert.equal(screen(d.state), 'viewing');
  assert.equal(audible(d.state), true);
  assert.deepEqual(did(d.effects, 'ask'), []);
});

test('talk opens the microphone; refused, the person can try again', () => {
  const d = viewing();
  assert.deepEqual(did(d.post({ type: 'talk' }), 'ask'), [{ do: 'ask', id: 'v1', camera: false }]);
  assert.equal(screen(d.state), 'incall');
  d.post({ type: 'asked', id: 'v1', mic: 'refused' });
  assert.equal(d.call.mic, 'refused');
  assert.equal(did(d.post({ type: 'retrymic' }), 'ask').length, 1);
  assert.deepEqual(d.post({ type: 'retrymic' }), [], 'not twice at a time');
  d.post({ type: 'asked', id: 'v1', mic: 'on' });
  assert.deepEqual(did(d.post({ type: 'mute' }), 'mute'), [{ do: 'mute', id: 'v1', muted: true }]);
  assert.equal(d.call.mic, 'muted');
  d.post({ type: 'mute' });
  assert.equal(d.call.mic, 'on');
  d.post({ type: 'miclost', id: 'v1' });
  assert.equal(d.call.mic, 'lost');
});

test('a press rings over the live picture, and accept names the call that is', () => {
  const d = viewing();
  d.hear({ type: 'press', name: 'doorbell', call: 'v1', ring: true });
  assert.equal(screen(d.state), 'ringing');
  assert.equal(audible(d.state), false);
  assert.deepEqual(sent(d.post({ type: 'accept' })), [{ type: 'accept', name: 'doorbell', call: 'v1' }]);
  assert.equal(screen(d.state), 'incall');
});

test('a ring over the live picture that nobody takes leaves the picture', () => {
  const d = viewing();
  d.hear({ type: 'press', name: 'doorbell', call: 'v1', ring: true });
  d.post({ type: 'timer', timer: 'ring', id: 'v1' });
  assert.equal(screen(d.state), 'viewing');
});

test('a ring over the live picture that another phone takes, or nobody, gives the picture back', () => {
  for (const [reason, missed] of /** @type {[string, number][]} */ ([['answered', 0], ['missed', 1]])) {
    const d = viewing();
    d.hear({ type: 'press', name: 'doorbell', call: 'v1', ring: true });
    d.hear({ type: 'press', name: 'doorbell', call: 'v1', reason, by: 'bert' });
    assert.equal(screen(d.state), 'viewing');
    assert.equal(d.state.missed.length, missed);
    assert.equal(d.call.id, 'v1');
  }
});

test('a press that rings before the door has answered', () => {
  const d = new Driver();
  d.post({ type: 'call', peer: 'doorbell', id: 'v1' });
  d.hear({ type: 'press', name: 'doorbell', call: 'v1', ring: true });
  assert.equal(screen(d.state), 'ringing');
  d.hear({ type: 'answer', name: 'doorbell', call: 'v1', answer: answer() });
  assert.equal(screen(d.state), 'ringing');
  d.post({ type: 'timer', timer: 'ring', id: 'v1' });
  assert.equal(screen(d.state), 'viewing');
});

test('the door rings while this phone calls it: the own offer wins, without a word', () => {
  for (const answered of [false, true]) {
    const d = answered ? viewing() : new Driver();
    if (!answered) d.post({ type: 'call', peer: 'doorbell', id: 'v1' });
    const before = d.state;
    assert.deepEqual(d.hear(ring('r1')), []);
    assert.equal(d.state, before);
  }
});

test('nobody there, nobody answers, not now, oneself', () => {
  let d = new Driver();
  d.post({ type: 'call', peer: 'Nobody', id: 'c1' });
  d.post({ type: 'asked', id: 'c1', mic: 'on', seen: true });
  d.hear({ type: 'error', code: 'not-found', about: 'offer', name: 'Nobody' });
  assert.deepEqual(d.state.notice, { key: 'end.not-here', peer: 'Nobody', by: undefined, again: { peer: 'Nobody', kind: 'phone' } });

  d = new Driver();
  d.post({ type: 'call', peer: 'doorbell', id: 'c1' });
  assert.deepEqual(sent(d.post({ type: 'timer', timer: 'answer', id: 'c1' })).map((m) => m.type), ['leave']);
  assert.equal(d.state.notice.key, 'end.no-answer');

  d = new Driver();
  d.post({ type: 'down' });
  assert.deepEqual(did(d.post({ type: 'call', peer: 'doorbell', id: 'c1' }), 'open'), []);
  assert.equal(d.state.notice.key, 'end.offline');

  d = new Driver();
  d.post({ type: 'call', peer: ' Kitchen ', id: 'c1' });
  assert.equal(d.state.notice.key, 'end.myself');
  assert.equal(d.call, null);
});

test('calling a phone: microphone and camera first, then the offer, then its answer', () => {
  const d = new Driver();
  const effects = d.post({ type: 'call', peer: 'Anna', id: 'c1' });
  assert.deepEqual(did(effects, 'ask'), [{ do: 'ask', id: 'c1', camera: true }]);
  assert.deepEqual(did(effects, 'offer'), []);
  const asked = d.post({ type: 'asked', id: 'c1', mic: 'refused', seen: false });
  assert.equal(did(asked, 'offer').length, 1, 'refused: a call of seeing and hearing');
  assert.equal(tone(d.state), 'ringback');
  d.hear({ type: 'answer', answer: answer() }); // as a base relay passes it: no name, no id
  assert.equal(screen(d.state), 'incall');
});

test('a phone calls: nothing is answered before a person accepts', () => {
  const d = new Driver();
  const effects = d.hear({ type: 'offer', name: 'Anna', call: 'c1', offer: offer() });
  assert.equal(screen(d.state), 'ringing');
  assert.deepEqual(did(effects, 'answer'), []);
  assert.deepEqual(d.hear({ type: 'candidate', name: 'Anna', call: 'c1', candidate: { candidate: 'a' } }).length, 1);
  assert.deepEqual(did(d.post({ type: 'accept' }), 'ask'), [{ do: 'ask', id: 'c1', camera: true }]);
  const asked = d.post({ type: 'asked', id: 'c1', mic: 'on', seen: true });
  assert.deepEqual(did(asked, 'answer'), [{ do: 'answer', id: 'c1', offer: offer(), preview: false }]);
  assert.deepEqual(sent(d.effects), [], 'an answer is the acceptance');
});

test('a base client calls: it hears no id that it does not know', () => {
  const d = new Driver();
  d.hear({ type: 'offer', name: 'Anna', offer: offer() }, 'made-here');
  assert.equal(d.call.id, 'made-here');
  assert.deepEqual(sent(d.post({ type: 'decline' })), [{ type: 'leave', name: 'Anna', reason: 'declined' }]);
});

test('a phone that gives up before a person accepts is a missed call', () => {
  const d = new Driver();
  d.hear({ type: 'offer', name: 'Anna', call: 'c1', offer: offer() });
  d.hear({ type: 'leave', name: 'Anna', call: 'c1', reason: 'hangup' });
  assert.deepEqual(d.state.missed.map(({ peer, kind }) => [peer, kind]), [['Anna', 'phone']]);
});

test('another phone calls during a call: it hears busy', () => {
  const d = viewing();
  assert.deepEqual(sent(d.hear({ type: 'offer', name: 'Anna', call: 'c2', offer: offer() })), [
    { type: 'leave', name: 'Anna', reason: 'busy', call: 'c2' },
  ]);
  assert.equal(d.call.id, 'v1');
});

test('both phones call each other: the smaller name\'s call stands', () => {
  const calling = (peer) => {
    const d = new Driver([{ name: peer, kind: 'phone' }]);
    d.post({ type: 'call', peer, id: 'mine' });
    d.post({ type: 'asked', id: 'mine', mic: 'on', seen: true });
    return d;
  };
  const smaller = calling('Zoe'); // Kitchen < Zoe
  assert.deepEqual(smaller.hear({ type: 'offer', name: 'Zoe', call: 'hers', offer: offer() }), []);
  assert.equal(smaller.call.id, 'mine');

  const larger = calling('Anna'); // Anna < Kitchen
  const effects = larger.hear({ type: 'offer', name: 'Anna', call: 'hers', offer: offer() });
  assert.deepEqual(did(effects, 'close'), [{ do: 'close', id: 'mine' }]);
  assert.deepEqual(sent(effects), [], 'a leave would end the other call at a base client');
  assert.equal(larger.call.id, 'hers');
  assert.equal(screen(larger.state), 'incall', 'the person wanted this call already');
  assert.equal(did(larger.post({ type: 'asked', id: 'hers', mic: 'on', seen: true }), 'answer').length, 1);
});

test('hanging up says so', () => {
  const d = viewing();
  assert.deepEqual(sent(d.post({ type: 'hangup' })), [{ type: 'leave', name: 'doorbell', call: 'v1', reason: 'hangup' }]);
  assert.equal(d.call, null);
});

test('a relay that doesn\'t say who is here: the door is known by its name', () => {
  const d = new Driver(null);
  assert.equal(d.state.peers, null);
  d.post({ type: 'call', peer: 'doorbell', id: 'v1' });
  assert.equal(d.call.kind, 'door');
  d.hear({ type: 'answer', answer: answer() });
  assert.equal(screen(d.state), 'viewing');
  d.hear({ type: 'leave' });
  assert.equal(d.call, null);
});

test('there a ring has lost its mark: it waits for a person like any call', () => {
  const d = new Driver(null);
  d.hear({ type: 'offer', name: 'doorbell', offer: offer() });
  assert.equal(screen(d.state), 'ringing');
  assert.equal(d.call.kind, 'door');
  assert.deepEqual(did(d.post({ type: 'accept' }), 'ask'), [{ do: 'ask', id: 'generated', camera: false }]);
  assert.deepEqual(sent(d.effects), []);
});

test('what the browser cannot do ends the call on both sides', () => {
  const d = new Driver();
  d.hear(ring());
  assert.deepEqual(sent(d.post({ type: 'broke', id: 'r1', what: 'answer' })), [
    { type: 'leave', name: 'doorbell', call: 'r1', reason: 'failed' },
  ]);
  assert.equal(d.state.notice.key, 'end.failed');
});
