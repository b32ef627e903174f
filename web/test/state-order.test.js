// Whatever happens in whatever order: one call at most, its connection opened and closed once, nothing left over.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { savedCall, screen, tone } from '../page/state.js';
import { answer, Driver, offer } from './support.js';

/** random is a small generator (mulberry32), so that a failing order can be run again by its seed. */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const names = ['doorbell', 'Anna', 'Zoe', 'stranger'];
const ids = ['r1', 'r2', 'c1', 'c2', undefined];
const reasons = ['hangup', 'declined', 'answered', 'missed', 'gone', 'busy', 'revoked', 'shutdown', 'failed', undefined];
const persons = ['accept', 'decline', 'hangup', 'silence', 'talk', 'retrymic', 'mute', 'switch', 'refuse', 'dismiss', 'dismissmissed'];
const timers = ['answer', 'ring', 'settle', 'restart', 'giveup', 'pressed', 'waiting'];

/** anything makes one event, likely or not. */
function anything(pick, fresh) {
  const name = pick(names);
  const call = pick(ids);
  const of = pick(['now', ...ids]);
  return pick([
    () => ({ type: 'message', id: fresh(), message: { type: 'offer', name, call, ring: pick([true, undefined]), offer: offer() } }),
    () => ({ type: 'message', message: { type: 'answer', name: pick([name, undefined]), call, answer: answer() } }),
    () => ({ type: 'message', message: { type: 'candidate', name, call, candidate: { candidate: 'x' } } }),
    () => ({ type: 'message', message: { type: 'leave', name, call, reason: pick(reasons) } }),
    () => ({ type: 'message', message: { type: 'press', name, call, ring: pick([true, undefined]), reason: pick([undefined, 'answered']) } }),
    () => ({ type: 'message', message: { type: 'status', name, call, camera: pick(['ok', 'lost', 'none']) } }),
    () => ({ type: 'message', message: { type: 'error', about: 'offer', code: pick(['not-found', 'too-fast']), name } }),
    () => ({ type: 'message', message: { type: 'presence', name, kind: name === 'doorbell' ? 'door' : 'phone', present: pick([true, false]) } }),
    () => ({ type: 'call', peer: name, id: fresh() }),
    () => ({ type: pick(persons) }),
    () => ({ type: pick(persons) }),
    () => ({ type: 'link', id: of, link: pick(['connected', 'disconnected', 'failed']) }),
    () => ({ type: 'asked', id: of, mic: pick(['on', 'refused']), seen: true }),
    () => ({ type: pick(['offered', 'replied', 'miclost']), id: of }),
    () => ({ type: 'broke', id: of, what: pick(['offer', 'answer', 'apply', 'open', 'use', 'candidate']) }),
    () => ({ type: 'timer', id: of, timer: pick(timers) }),
    () => ({ type: pick(['down', 'network', 'replaced', 'usehere']) }),
    () => ({ type: 'welcome', message: { type: 'login', success: true, here: pick([undefined, [{ name: 'doorbell', kind: 'door' }]]) } }),
    () => ({ type: 'refused', reason: 'full', text: '', retrying: true }),
  ])();
}

/** check looks at what the effects did to the connection, and at what must always hold. */
function check(d, effects, open, trace) {
  for (const effect of effects) {
    if (effect.do === 'open') {
      assert.equal(open.id, undefined, `a second connection: ${trace()}`);
      open.id = effect.id;
    } else if (effect.do === 'close') {
      assert.equal(effect.id, open.id, `closed another: ${trace()}`);
      open.id = undefined;
    } else if (['offer', 'answer', 'apply', 'candidate', 'ask', 'mute'].includes(effect.do)) {
      assert.equal(effect.id, open.id, `${effect.do} without its connection: ${trace()}`);
    } else if (effect.do === 'send') {
      assert.ok(effect.message.name, `to nobody: ${trace()}`);
    }
  }
  assert.equal(d.call?.id, open.id, `connection and call differ: ${trace()}`);
  if (d.state.waiting) assert.ok(d.call, `a ring waits behind nothing: ${trace()}`);
  if (!d.call && !d.state.waiting) assert.equal(tone(d.state), '', `it rings for nothing: ${trace()}`);
  assert.ok(['login', 'home', 'ringing', 'calling', 'viewing', 'incall'].includes(screen(d.state)));
  assert.ok(d.state.missed.length <= 20);
  savedCall(d.state);
}

test('3000 random orders of 60 events', () => {
  for (let seed = 1; seed <= 3000; seed++) {
    const next = random(seed);
    const pick = (list) => list[Math.floor(next() * list.length)];
    let made = 0;
    const fresh = () => 'own' + ++made;
    const d = new Driver();
    const open = { id: undefined };
    const events = [];
    const trace = () => `seed ${seed}: ${JSON.stringify(events.slice(-6))}`;
    for (let i = 0; i < 60; i++) {
      const event = anything(pick, fresh);
      if (event.id === 'now') event.id = d.call?.id;
      events.push(event);
      check(d, d.post(event), open, trace);
    }
    for (const type of ['refuse', 'hangup', 'logout']) check(d, d.post({ type }), open, trace);
    assert.equal(open.id, undefined, `left open: ${trace()}`);
    assert.equal(tone(d.state), '');
  }
});
