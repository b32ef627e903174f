// Rings of the door, and what a person and the others do about them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { audible, screen, tone } from '../page/state.js';
import { Driver, offer, ring } from './support.js';

const { sent, did } = Driver;

test('a ring shows the picture at once, silently, and opens no microphone', () => {
  const d = new Driver();
  const effects = d.hear(ring());
  assert.equal(screen(d.state), 'ringing');
  assert.equal(tone(d.state), 'ring');
  assert.equal(audible(d.state), false);
  assert.deepEqual(did(effects, 'answer'), [{ do: 'answer', id: 'r1', offer: offer(), preview: true }]);
  assert.deepEqual(did(effects, 'ask'), []);
});

test('accept is said after the preview answer, then the microphone is asked for', () => {
  const d = new Driver();
  d.hear(ring());
  d.post({ type: 'replied', id: 'r1' });
  const effects = d.post({ type: 'accept' });
  assert.deepEqual(sent(effects), [{ type: 'accept', name: 'doorbell', call: 'r1' }]);
  assert.deepEqual(did(effects, 'ask'), [{ do: 'ask', id: 'r1', camera: false }]);
  assert.equal(screen(d.state), 'incall');
  assert.equal(audible(d.state), true);
  d.post({ type: 'asked', id: 'r1', mic: 'on', seen: false });
  assert.equal(d.call.mic, 'on');
});

test('a person faster than the answer: accept follows it', () => {
  const d = new Driver();
  d.hear(ring());
  assert.deepEqual(sent(d.post({ type: 'accept' })), []);
  assert.deepEqual(sent(d.post({ type: 'replied', id: 'r1' })), [{ type: 'accept', name: 'doorbell', call: 'r1' }]);
  assert.deepEqual(sent(d.post({ type: 'replied', id: 'r1' })), [], 'once');
});

test('accept while offline is owed, and paid after the offer that renews the call', () => {
  const d = new Driver();
  d.hear(ring());
  d.post({ type: 'replied', id: 'r1' });
  d.post({ type: 'down' });
  assert.deepEqual(sent(d.post({ type: 'accept' })), []);
  const effects = d.post({ type: 'welcome', message: { type: 'login', success: true, here: [] } });
  assert.deepEqual(did(effects, 'offer'), [{ do: 'offer', id: 'r1', restart: true, fresh: false }]);
  assert.deepEqual(sent(effects), []);
  assert.deepEqual(sent(d.post({ type: 'offered', id: 'r1' })), [{ type: 'accept', name: 'doorbell', call: 'r1' }]);
});

test('decline tells the door, and nothing else', () => {
  const d = new Driver();
  d.hear(ring());
  const effects = d.post({ type: 'decline' });
  assert.deepEqual(sent(effects), [{ type: 'leave', name: 'doorbell', call: 'r1', reason: 'declined' }]);
  assert.equal(screen(d.state), 'home');
  assert.equal(d.state.notice, null);
});

const endings = [
  ['answered', { by: 'Attic' }, { key: 'end.answered', by: 'Attic' }, 0],
  ['missed', {}, null, 1],
  ['hangup', {}, { key: 'end.hangup' }, 0],
  ['gone', {}, { key: 'end.gone' }, 0],
  ['revoked', {}, { key: 'end.revoked' }, 0],
  ['shutdown', {}, { key: 'end.shutdown' }, 0],
  ['failed', {}, { key: 'end.failed' }, 0],
  ['codec', {}, { key: 'end.codec' }, 0],
  ['constructor', {}, { key: 'end.hangup' }, 0],
  [undefined, {}, { key: 'end.hangup' }, 0],
];
for (const [reason, more, notice, missed] of endings) {
  test(`the door leaves while it rings: ${reason}`, () => {
    const d = new Driver();
    d.hear(ring());
    d.hear({ type: 'leave', name: 'doorbell', call: 'r1', reason, ...more });
    assert.equal(d.call, null);
    assert.equal(d.state.missed.length, missed);
    assert.equal(d.state.notice?.key, notice?.key);
    assert.equal(d.state.notice?.by, notice?.by);
    d.post({ type: 'dismiss' });
    d.post({ type: 'dismissmissed' });
    assert.equal(d.state.notice, null);
    assert.deepEqual(d.state.missed, []);
  });
}

test('a second press while it rings begins the tone again, even after silence', () => {
  const d = new Driver();
  d.hear(ring());
  d.post({ type: 'silence' });
  assert.equal(tone(d.state), '');
  const effects = d.hear({ type: 'press', name: 'doorbell', call: 'r1', ring: true });
  assert.equal(tone(d.state), 'ring');
  assert.deepEqual(did(effects, 'sound'), [{ do: 'sound', sound: 'ring' }]);
});

test('a press during the call is shown for a while', () => {
  const d = new Driver();
  d.hear(ring());
  d.post({ type: 'accept' });
  const effects = d.hear({ type: 'press', name: 'doorbell', call: 'r1', ring: true });
  assert.equal(screen(d.state), 'incall');
  assert.ok(d.call.pressed > 0);
  assert.deepEqual(did(effects, 'sound'), [{ do: 'sound', sound: 'again' }]);
  d.post({ type: 'timer', timer: 'pressed', id: 'r1' });
  assert.equal(d.call.pressed, 0);
});

test('messages of another call, or from another name, change nothing', () => {
  const d = new Driver();
  d.hear(ring());
  const before = d.state;
  for (const message of [
    { type: 'leave', name: 'doorbell', call: 'old', reason: 'hangup' },
    { type: 'leave', name: 'Anna', call: 'r1' },
    { type: 'press', name: 'doorbell', call: 'old' },
    { type: 'status', name: 'doorbell', call: 'old', camera: 'lost' },
    { type: 'candidate', name: 'doorbell', call: 'old', candidate: { candidate: 'x' } },
    { type: 'answer', name: 'doorbell', call: 'r1', answer: {} },
    { type: 'constructor', name: 'doorbell' },
    { type: '__proto__', name: 'doorbell' },
  ]) {
    assert.deepEqual(d.hear(message), [], message.type);
    assert.equal(d.state, before, message.type);
  }
});

test('what the door says of its devices is kept until it says otherwise', () => {
  const d = new Driver();
  d.hear(ring());
  d.hear({ type: 'status', name: 'doorbell', call: 'r1', camera: 'lost' });
  assert.deepEqual(d.call.devices, { camera: 'lost', microphone: 'ok', speaker: 'ok', button: 'ok' });
  d.hear({ type: 'status', name: 'doorbell', call: 'r1', camera: 'ok', microphone: 'none', button: 'lost' });
  assert.deepEqual(d.call.devices, { camera: 'ok', microphone: 'none', speaker: 'ok', button: 'lost' });
});

test('a ring that nobody ends is missed in the end', () => {
  const d = new Driver();
  d.hear(ring());
  const effects = d.post({ type: 'timer', timer: 'ring', id: 'r1' });
  assert.deepEqual(sent(effects).map((message) => message.reason), ['missed']);
  assert.equal(d.call, null);
  assert.equal(d.state.missed.length, 1);
});

test('a door that rings under a new id has forgotten the old ring', () => {
  const d = new Driver();
  d.hear(ring('r1'));
  const effects = d.hear(ring('r2'));
  assert.deepEqual(did(effects, 'close'), [{ do: 'close', id: 'r1' }]);
  assert.deepEqual(sent(effects), []);
  assert.equal(d.call.id, 'r2');
  assert.equal(screen(d.state), 'ringing');
});

test('the same ring offered again is answered again, as a preview until somebody accepts', () => {
  const d = new Driver();
  d.hear(ring());
  assert.equal(did(d.hear(ring()), 'answer')[0].preview, true);
  d.post({ type: 'accept' });
  assert.equal(did(d.hear(ring()), 'answer')[0].preview, false);
});

test('the door rings during another call: it waits, and can be taken instead', () => {
  const d = new Driver();
  d.post({ type: 'call', peer: 'Anna', id: 'c1' });
  d.hear(ring('r1'));
  assert.equal(d.call.id, 'c1');
  assert.equal(tone(d.state), 'waiting');
  d.hear({ type: 'candidate', name: 'doorbell', call: 'r1', candidate: { candidate: 'a' } });
  const effects = d.post({ type: 'switch' });
  assert.deepEqual(sent(effects), [{ type: 'leave', name: 'Anna', call: 'c1', reason: 'hangup' }]);
  assert.deepEqual(did(effects, 'candidate'), [{ do: 'candidate', id: 'r1', candidate: { candidate: 'a' } }]);
  assert.equal(d.call.id, 'r1');
  assert.equal(screen(d.state), 'incall');
  assert.deepEqual(sent(d.post({ type: 'replied', id: 'r1' })).map((message) => message.type), ['accept']);
});

test('a waiting ring: declined, missed, run out, or left over when the call ends', () => {
  const waiting = () => {
    const d = new Driver();
    d.post({ type: 'call', peer: 'Anna', id: 'c1' });
    d.hear(ring('r1'));
    return d;
  };
  let d = waiting();
  assert.deepEqual(sent(d.post({ type: 'refuse' })), [{ type: 'leave', name: 'doorbell', call: 'r1', reason: 'declined' }]);
  assert.equal(d.state.waiting, null);
  d = waiting();
  d.hear({ type: 'leave', name: 'doorbell', call: 'r1', reason: 'missed' });
  assert.equal(d.state.waiting, null);
  assert.equal(d.state.missed[0].kind, 'door');
  assert.equal(d.call.id, 'c1');
  d = waiting();
  d.post({ type: 'timer', timer: 'waiting', id: 'r1' });
  assert.equal(d.state.waiting, null);
  d = waiting();
  d.post({ type: 'hangup' });
  assert.equal(d.call.id, 'r1');
  assert.equal(screen(d.state), 'ringing');
});

test('visits while this phone was away are told once; a phone that is new here hears of none', () => {
  const d = new Driver();
  const told = () => d.state.missed.map(({ at }) => at);
  d.post({ type: 'visits', visits: [{ id: 'v1', pressed: 1000 }] });
  assert.deepEqual(told(), []);
  d.post({ type: 'visits', visits: [{ id: 'v3', pressed: 3000 }, { id: 'v2', pressed: 2000 }, { id: 'v1', pressed: 1000 }] });
  assert.deepEqual(told(), [3000, 2000]);
  d.post({ type: 'visits', visits: [{ id: 'v3', pressed: 3000 }] });
  d.post({ type: 'dismissmissed' });
  d.post({ type: 'visits', visits: [{ id: 'v3', pressed: 3000 }, { id: 'v2', pressed: 2000 }] });
  assert.deepEqual(told(), []);
});

test('a ring that this phone has shown is not told again out of the book', () => {
  const d = new Driver();
  d.post({ type: 'visits', visits: [] });
  d.hear(ring('r1'));
  d.hear({ type: 'leave', name: 'doorbell', call: 'r1', reason: 'missed' });
  assert.equal(d.state.missed.length, 1);
  d.post({ type: 'visits', visits: [{ id: 'r1', pressed: 1 }] });
  assert.equal(d.state.missed.length, 1);
});
