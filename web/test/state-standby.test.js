// Connections to the doors that are kept ready.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { audible, screen } from '../page/state.js';
import { times } from '../page/turn.js';
import { answer, Driver, ring } from './support.js';

const { sent, did } = Driver;
const here = [{ name: 'doorbell', kind: 'door' }, { name: 'Anna', kind: 'phone' }];

/** made is a phone that has made its connection ready, as s1. */
function made(list = here) {
  const d = new Driver(list);
  d.post({ type: 'timer', timer: 'standby', id: '', fresh: 's1' });
  return d;
}

/** ready is one whose connection stands. */
function ready() {
  const d = made();
  d.hear({ type: 'answer', name: 'doorbell', call: 's1', answer: answer(), standby: true });
  d.post({ type: 'link', id: 's1', link: 'connected' });
  d.effects = [];
  return d;
}

const press = { type: 'press', name: 'doorbell', call: 's1', ring: true, visit: 'v1' };

test('after the log-in, and what is more urgent, one is made for each door', () => {
  const d = new Driver(undefined);
  d.post({ type: 'login', name: 'Kitchen' });
  const effects = d.post({ type: 'welcome', message: { type: 'login', success: true, here, iceServers: [] } });
  assert.deepEqual(did(effects, 'timer'), [{ do: 'timer', timer: 'standby', id: '', ms: times.standby }]);
  assert.deepEqual(did(effects, 'ready'), []);
  assert.deepEqual(did(d.post({ type: 'timer', timer: 'standby', id: '', fresh: 's1' }), 'ready'), [
    { do: 'ready', id: 's1', peer: 'doorbell', iceServers: [] },
  ]);
  assert.equal(screen(d.state), 'home');
  const two = made([{ name: 'back', kind: 'door' }, { name: 'front', kind: 'door' }]);
  assert.deepEqual(two.state.standby.map(({ id, peer }) => [id, peer]), [['s1', 'back'], ['s1-1', 'front']]);
});

test('a relay that does not say who is here has none', () => {
  const d = new Driver(null);
  d.online(null);
  assert.equal(d.state.standbyDue, false);
});

test('a press rings through it: no offer, no answer, and accept names it', () => {
  const d = ready();
  const effects = d.hear(press);
  assert.deepEqual(did(effects, 'open'), [{ do: 'open', id: 's1', kind: 'door', iceServers: [] }]);
  assert.deepEqual([did(effects, 'answer'), did(effects, 'offer'), did(effects, 'unready'), sent(effects)], [[], [], [], []]);
  assert.equal(screen(d.state), 'ringing');
  assert.equal(audible(d.state), false);
  assert.equal(d.call.link, 'connected');
  assert.ok(d.state.known.includes('v1'));
  assert.deepEqual(sent(d.post({ type: 'accept' })), [{ type: 'accept', name: 'doorbell', call: 's1' }]);
  assert.equal(screen(d.state), 'incall');
});

test('a press that comes before the own connection stands rings too', () => {
  const d = made();
  d.hear({ type: 'answer', name: 'doorbell', call: 's1', answer: answer(), standby: true });
  d.hear(press);
  assert.equal(screen(d.state), 'ringing');
  assert.equal(d.call.link, 'new');
  d.post({ type: 'link', id: 's1', link: 'connected' });
  assert.equal(d.call.link, 'connected');
});

test('declined, missed, taken by another: then it is made anew', () => {
  for (const end of [
    (d) => d.post({ type: 'decline' }),
    (d) => d.hear({ type: 'leave', name: 'doorbell', call: 's1', reason: 'missed' }),
    (d) => d.hear({ type: 'leave', name: 'doorbell', call: 's1', reason: 'answered', by: 'Anna' }),
  ]) {
    const d = ready();
    d.hear(press);
    end(d);
    assert.equal(screen(d.state), 'home');
    assert.deepEqual(did(d.effects, 'timer').at(-1), { do: 'timer', timer: 'standby', id: '', ms: times.standby });
  }
  const d = ready();
  d.hear(press);
  d.hear({ type: 'leave', name: 'doorbell', call: 's1', reason: 'missed' });
  assert.equal(d.state.missed.length, 1);
});

test('a tap looks through it: an offer within it, no new connection', () => {
  const d = ready();
  const effects = d.post({ type: 'call', peer: 'doorbell', id: 'c1' });
  assert.deepEqual(did(effects, 'open').map(({ id }) => id), ['s1']);
  assert.deepEqual(did(effects, 'offer'), [{ do: 'offer', id: 's1', restart: false, fresh: false }]);
  d.hear({ type: 'answer', name: 'doorbell', call: 's1', answer: answer() });
  assert.equal(screen(d.state), 'viewing');
});

test('a look that crosses a press is the ring', () => {
  const d = ready();
  d.post({ type: 'call', peer: 'doorbell', id: 'c1' });
  d.hear(press);
  d.hear({ type: 'answer', name: 'doorbell', call: 's1', answer: answer() });
  assert.equal(screen(d.state), 'ringing');
  d.hear({ type: 'leave', name: 'doorbell', call: 's1', reason: 'answered', by: 'Anna' });
  assert.equal(screen(d.state), 'home');
});

test('a look that the door had before the press goes on after the ring', () => {
  const d = ready();
  d.post({ type: 'call', peer: 'doorbell', id: 'c1' });
  d.hear(press);
  d.hear({ type: 'press', name: 'doorbell', call: 's1', reason: 'answered', by: 'Anna' });
  assert.equal(screen(d.state), 'viewing');
});

test('one that does not stand yet is left for an ordinary look', () => {
  const d = made();
  const effects = d.post({ type: 'call', peer: 'doorbell', id: 'c1' });
  assert.deepEqual(sent(effects), [{ type: 'leave', name: 'doorbell', call: 's1', reason: 'busy' }]);
  assert.deepEqual(did(effects, 'unready'), [{ do: 'unready', id: 's1' }]);
  assert.equal(d.call.id, 'c1');
});

test('any other call ends it, and the door knows why', () => {
  const d = ready();
  const effects = d.hear({ type: 'offer', name: 'Anna', call: 'p1', offer: { type: 'offer', sdp: '' } });
  assert.deepEqual(sent(effects), [{ type: 'leave', name: 'doorbell', call: 's1', reason: 'busy' }]);
  d.hear({ ...press });
  assert.equal(d.call.id, 'p1', 'a press that crossed the leave is none: the door rings anew');
});

test('an ordinary ring of the same door ends it', () => {
  const d = made();
  const effects = d.hear(ring('r1'));
  assert.deepEqual(did(effects, 'unready'), [{ do: 'unready', id: 's1' }]);
  assert.equal(d.call.id, 'r1');
});

test('a door that does not know it is left at once, and for good', () => {
  const d = made();
  const effects = d.hear({ type: 'answer', name: 'doorbell', call: 's1', answer: answer() });
  assert.deepEqual(sent(effects), [{ type: 'leave', name: 'doorbell', call: 's1', reason: 'hangup' }]);
  assert.deepEqual(did(effects, 'apply'), []);
  d.post({ type: 'timer', timer: 'standby', id: '', fresh: 's2' });
  assert.deepEqual(d.state.standby, []);
});

test('a door that keeps none is not asked again', () => {
  const d = made();
  assert.deepEqual(sent(d.hear({ type: 'leave', name: 'doorbell', call: 's1', reason: 'declined' })), []);
  d.post({ type: 'timer', timer: 'standby', id: '', fresh: 's2' });
  assert.deepEqual(d.state.standby, []);
});

test('refused or lost, it is tried again after a while', () => {
  for (const lose of [
    (d) => d.hear({ type: 'leave', name: 'doorbell', call: 's1', reason: 'busy' }),
    (d) => d.post({ type: 'link', id: 's1', link: 'failed' }),
  ]) {
    const d = ready();
    const effects = lose(d);
    assert.deepEqual(did(effects, 'unready'), [{ do: 'unready', id: 's1' }]);
    assert.deepEqual(did(effects, 'timer'), [{ do: 'timer', timer: 'standby', id: '', ms: times.standbyAgain }]);
    assert.equal(did(d.post({ type: 'timer', timer: 'standby', id: '', fresh: 's2' }), 'ready').length, 1);
  }
});

test('one that came to nothing is made anew', () => {
  const d = made();
  const effects = d.post({ type: 'timer', timer: 'standby', id: '', fresh: 's2' });
  assert.deepEqual(did(effects, 'unready'), [{ do: 'unready', id: 's1' }]);
  assert.deepEqual(did(effects, 'ready').map(({ id }) => id), ['s2']);
});

test('the relay is lost, the door goes, the network changes', () => {
  let d = ready();
  assert.deepEqual(sent(d.post({ type: 'down' })), []);
  assert.deepEqual(d.state.standby, []);
  d = ready();
  assert.deepEqual(sent(d.hear({ type: 'presence', name: 'doorbell', kind: 'door', present: false })), []);
  assert.deepEqual(d.state.standby, []);
  const effects = d.hear({ type: 'presence', name: 'doorbell', kind: 'door', present: true });
  assert.deepEqual(did(effects, 'timer').map(({ ms }) => ms), [times.standby]);
  d = ready();
  assert.deepEqual(sent(d.post({ type: 'network' })), [{ type: 'leave', name: 'doorbell', call: 's1', reason: 'hangup' }]);
  assert.equal(d.state.standbyDue, true);
});
