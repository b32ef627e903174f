// Coming in: what a person makes of the words, and what becomes of each answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asksFor, initial, step } from '../page/join-state.js';
import { complete, fromHash, normalise } from '../page/secret.js';

const secret = 'correct-horse-battery-staple';

/** run feeds events, each at its time or at 1000, and returns the state and the last effects. */
function run(state, ...events) {
  let effects = [];
  for (const event of events) ({ state, effects } = step(state, { at: 1_000, ...event }));
  return { state, effects };
}

const told = { type: 'told', claimed: true, door: 'doorbell' };
const submit = { type: 'submit', secret: 'Correct horse  battery staple', name: ' Kitchen ' };

test('words are the same however they were typed', () => {
  const typed = [
    secret, 'Correct Horse Battery Staple', '  correct horse\tbattery  staple. ', 'CORRECT,HORSE,BATTERY,STAPLE', 'correct–horse—battery‑staple',
    'https://doorbell.local/join#correct-horse-battery-staple', 'ｃorrect horse battery staple', '#correct-horse-battery-staple',
  ];
  for (const text of typed) assert.equal(normalise(text), secret, text);
  assert.equal(normalise(' ,.- '), '');
  assert.equal(normalise(''), '');
});

test('the words of a link', () => {
  assert.equal(fromHash('#correct-horse-battery-staple'), secret);
  assert.equal(fromHash('#correct%20horse%20battery%2Dstaple'), secret);
  assert.equal(fromHash('#100%'), '100');
  assert.equal(fromHash(''), '');
  assert.equal(fromHash('#'), '');
});

test('too few words are not sent, since each wrong try counts; words of the list may have hyphens or lack spaces', () => {
  for (const few of ['', 'correct', 'correct-horse', 'correct-horse-battery']) assert.equal(complete(few), false, few);
  for (const many of [secret, 'yo-yo-horse-battery-staple', 'correcthorsebatterystaple', 'correcthorse-batterystapleunwrapped']) assert.equal(complete(many), true, many);
});

test('with a link: only the name is asked for', () => {
  const asked = run(initial(secret, 'iPhone'), told).state;
  assert.equal(asked.view, 'form');
  assert.equal(asked.linked, true);
  const { state, effects } = run(asked, { ...submit, secret: '' });
  assert.equal(state.view, 'joining');
  assert.deepEqual(effects, [{ do: 'join', secret, name: 'Kitchen' }]);
  assert.deepEqual(run(state, submit).effects, [], 'a second tap asks for nothing more');
  const joined = run(state, { type: 'joined', name: 'Kitchen' });
  assert.equal(joined.state.view, 'done');
  assert.deepEqual(joined.effects, [{ do: 'go' }]);
});

test('typed: the words are checked before they cost a try', () => {
  const { state } = run(initial('', 'iPhone'), { ...told, claimed: false });
  assert.equal(state.claimed, false);
  const tried = (event) => run(state, { ...submit, ...event });
  for (const [event, code, about] of [
    [{ secret: ' ' }, 'secret-missing', 'secret'], [{ secret: 'correct horse' }, 'secret-short', 'secret'], [{ name: ' ' }, 'name-missing', 'name'],
  ]) {
    const { state: after, effects } = tried(event);
    assert.equal(after.error.code, code);
    assert.equal(asksFor(after), about);
    assert.deepEqual(effects, []);
  }
  assert.deepEqual(tried({}).effects, [{ do: 'join', secret, name: 'Kitchen' }]);
});

test('a secret that does not work any more can be typed anew', () => {
  const { state } = run(initial(secret, 'iPhone'), told, submit, { type: 'refused', code: 'wrong-secret' });
  assert.deepEqual([state.view, state.linked, state.secret, asksFor(state)], ['form', false, '', 'secret']);
  assert.deepEqual(run(state, { ...submit, secret: 'other horse battery staple' }).effects, [{ do: 'join', secret: 'other-horse-battery-staple', name: 'Kitchen' }]);
});

test('too many tries: nothing is sent before the time is up', () => {
  const { state } = run(initial(secret, 'iPhone'), told, submit, { type: 'refused', code: 'too-many-tries', retryAfter: 30 });
  assert.equal(state.until, 31_000);
  assert.deepEqual(run(state, { ...submit, at: 30_999 }), { state, effects: [] });
  assert.equal(run(state, { type: 'tick', at: 30_999 }).state, state);
  const after = run(state, { type: 'tick', at: 31_000 }).state;
  assert.deepEqual([after.until, after.error], [0, null]);
  assert.equal(run(after, { ...submit, at: 31_000 }).effects.length, 1);
  assert.equal(run(initial(secret, 'x'), told, submit, { type: 'refused', code: 'too-many-tries' }).state.until, 61_000, 'where no time is told');
});

test('a name that is taken: another is proposed; the secret stays', () => {
  const joining = run(initial(secret, 'iPhone'), told, { ...submit, name: 'iPhone' }).state;
  const { state } = run(joining, { type: 'refused', code: 'name-taken' });
  assert.deepEqual([state.name, state.linked, asksFor(state)], ['iPhone (2)', true, 'name']);
  const again = run(state, { ...submit, name: 'iPhone (2)' }, { type: 'refused', code: 'name-taken' }).state;
  assert.equal(again.name, 'iPhone (3)');
  for (const code of ['name-reserved', 'name-invalid', 'offline', 'broken', 'not-saved']) {
    assert.deepEqual([run(joining, { type: 'refused', code }).state.view, run(joining, { type: 'refused', code }).state.error.code], ['form', code]);
  }
});

test('the house is not reached, belongs to this phone already, or lets everybody in', () => {
  const offline = run(initial(secret, 'x'), { type: 'unreachable' }).state;
  assert.equal(offline.view, 'offline');
  assert.deepEqual(run(offline, { type: 'retry' }).effects, [{ do: 'ask' }]);
  assert.deepEqual(run(initial(secret, 'x'), told, { type: 'retry' }).effects, [], 'a form is not thrown away');
  const member = run(initial(secret, 'x'), { type: 'member', name: 'Kitchen' }).state;
  assert.deepEqual([member.view, member.name], ['member', 'Kitchen']);
  assert.deepEqual(run(initial('', 'x'), { type: 'open' }).effects, [{ do: 'go' }]);
  const { state, effects } = run(initial(secret, 'x'), told, submit, { type: 'refused', code: 'already-in' });
  assert.deepEqual([state.view, effects], ['loading', [{ do: 'ask' }]]);
});

test('a sign-in that the provider or the house refused is told', () => {
  assert.equal(run(initial('', 'x', true), told).state.error.code, 'openid-refused');
});
