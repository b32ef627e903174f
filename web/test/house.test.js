// The phones of the house: what is asked over HTTP, what the state makes of it, and the loop between.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { House, Refusal } from '../page/house.js';
import { dayOf, endOfDay, initial, pause, step } from '../page/phones-state.js';
import { Phones } from '../page/phones.js';
import { freshClock, settle, tick } from './support.js';

const now = 1_700_000_000_000;
const day = 86_400_000;
const me = { id: '1', name: 'Kitchen', role: 'owner', until: 0 };
const own = { ...me, joined: 1, seen: now, here: true, me: true };
const ipad = { id: '2', name: 'iPad', role: 'member', until: 0, joined: 1, seen: 0, here: false, me: false };
const invitation = { id: 'i1', role: 'guest', until: now + day, expires: now + 900_000, words: 'a b c d', link: 'https://x/join#a-b-c-d', qr: 'data:image/svg+xml;base64,' };

beforeEach(() => {
  freshClock(now);
});

/** house answers requests from a table of [status, body], and keeps them. */
function house(answers) {
  const asked = [];
  const request = async (path, { method, headers, body }) => {
    asked.push([method, path, body && JSON.parse(body), headers?.['Content-Type']]);
    const answer = answers[`${method} ${path}`];
    if (!answer) throw new TypeError('Failed to fetch');
    const [status, told] = typeof answer === 'function' ? await answer() : answer;
    return { ok: status < 400, status, json: async () => (told === undefined ? JSON.parse('') : structuredClone(told)) };
  };
  return { house: new House(request), asked, answers };
}

/** run feeds events and returns the state and the last effects. */
function run(state, ...events) {
  let effects = [];
  for (const event of events) ({ state, effects } = step(state, { at: now, ...event }));
  return { state, effects };
}

const told = { type: 'phones', phones: [own, ipad], invitations: [] };
const listed = run(initial(me), { type: 'open' }, told).state;

test('each wish is the request that the house knows; writes say that they are JSON', async () => {
  const { house: asks, asked } = house({
    'GET settings.json': [200, { door: 'doorbell', open: false, version: '1', me }], 'GET join.json': [200, { claimed: false, door: 'doorbell' }],
    'POST join': [200, { name: 'Kitchen', role: 'owner' }], 'POST leave': [204], 'GET phones.json': [200, { phones: [own] }],
    'POST invitations': [201, invitation], 'DELETE invitations/a%2Fb': [204], 'DELETE phones/2': [204],
  });
  assert.deepEqual(await asks.settings(), { door: 'doorbell', open: false, version: '1', me });
  assert.deepEqual(await asks.joining(), { claimed: false, door: 'doorbell', openid: '' });
  assert.deepEqual(await asks.join('a-b-c-d', 'Kitchen'), { name: 'Kitchen', role: 'owner' });
  await asks.leave();
  assert.deepEqual(await asks.phones(), { phones: [own], invitations: [] });
  assert.deepEqual(await asks.invite('guest', 5), invitation);
  await asks.invite('member', 5);
  await asks.takeBack('a/b');
  await asks.remove('2');
  const json = 'application/json';
  assert.deepEqual(asked, [
    ['GET', 'settings.json', undefined, undefined], ['GET', 'join.json', undefined, undefined],
    ['POST', 'join', { secret: 'a-b-c-d', name: 'Kitchen' }, json], ['POST', 'leave', {}, json], ['GET', 'phones.json', undefined, undefined],
    ['POST', 'invitations', { role: 'guest', until: 5 }, json], ['POST', 'invitations', { role: 'member' }, json],
    ['DELETE', 'invitations/a%2Fb', undefined, json], ['DELETE', 'phones/2', undefined, json],
  ]);
});

test('a refusal has the house\'s word, the status\'s, or says that nobody was reached', async () => {
  const refused = async (answer) => {
    const { house: asks } = house({ 'POST join': answer });
    const error = await asks.join('x', 'y').catch((e) => e);
    assert.ok(error instanceof Refusal);
    return [error.code, error.retryAfter];
  };
  assert.deepEqual(await refused([429, { error: 'too-many-tries', message: 'wait', retryAfter: 30 }]), ['too-many-tries', 30]);
  assert.deepEqual(await refused([409, { error: 'name-taken', retryAfter: 'soon' }]), ['name-taken', 0]);
  assert.deepEqual(await refused([401]), ['no-session', 0]);
  assert.deepEqual(await refused([502]), ['broken', 0]);
  assert.deepEqual(await refused(undefined), ['offline', 0]);
});

test('settings without a name for this phone ask for one', async () => {
  for (const odd of [undefined, null, {}, { name: '' }, { name: 5 }]) {
    const { house: asks } = house({ 'GET settings.json': [200, { door: 'd', open: true, me: odd }] });
    assert.equal('me' in (await asks.settings()), false);
  }
});

test('an owner sees all and looks again while it is shown; others see themselves', () => {
  const opened = run(initial(me), { type: 'open' });
  assert.deepEqual(opened.effects, [{ do: 'load' }]);
  assert.deepEqual([pause(initial(me)), pause(listed), pause({ ...listed, view: 'invitation' })], [0, 10_000, 2_000]);
  const guest = run(initial({ ...me, role: 'guest', until: now + day }), { type: 'open' });
  assert.deepEqual(guest.effects, []);
  assert.equal(pause(guest.state), 0);
});

test('removing takes two steps, and can be thought better of', () => {
  assert.deepEqual(run(listed, { type: 'remove' }).effects, [], 'nothing was asked');
  const asking = run(listed, { type: 'askremove', id: '2' }).state;
  assert.equal(run(asking, { type: 'keep' }).state.removing, '');
  const { state, effects } = run(asking, { type: 'remove' });
  assert.deepEqual(effects, [{ do: 'remove', id: '2' }]);
  assert.deepEqual(run(state, { type: 'remove' }).effects, [], 'once');
  const gone = run(state, { type: 'removed', id: '2' }).state;
  assert.deepEqual(gone.phones, [own]);
  assert.deepEqual(gone.notice, { key: 'phones.removed', name: 'iPad' });
  const last = run(state, { type: 'failed', code: 'last-owner' }).state;
  assert.deepEqual([last.error, last.busy], ['last-owner', false]);
  assert.deepEqual(run(state, { type: 'failed', code: 'not-found' }).effects, [{ do: 'load' }]);
});

test('signing out takes two steps, and leads out; so does a session that has ended', () => {
  assert.deepEqual(run(listed, { type: 'leave' }).effects, []);
  const { state, effects } = run(listed, { type: 'askleave' }, { type: 'leave' });
  assert.deepEqual(effects, [{ do: 'leave' }]);
  assert.deepEqual(run(state, { type: 'left' }).effects, [{ do: 'out' }]);
  assert.deepEqual(run(listed, { type: 'failed', code: 'no-session' }).effects, [{ do: 'out' }]);
});

test('inviting: a guest needs a day within the year', () => {
  const adding = run(listed, { type: 'add' }).state;
  assert.deepEqual(run(adding, { type: 'invite' }).effects, [{ do: 'invite', role: 'member', until: 0 }]);
  const guest = run(adding, { type: 'role', role: 'guest' }).state;
  for (const until of [undefined, 0, NaN, now, now - 1, now + 366 * day]) {
    const { state, effects } = run(guest, { type: 'invite', until });
    assert.deepEqual([state.error, effects], ['date-wrong', []], String(until));
  }
  assert.deepEqual(run(guest, { type: 'invite', until: now + day }).effects, [{ do: 'invite', role: 'guest', until: now + day }]);
});

test('the invitation was used, ran out, was taken back', () => {
  const shown = run(listed, { type: 'add' }, { type: 'invite' }, { type: 'invited', invitation }, { ...told, invitations: [invitation] }).state;
  assert.deepEqual([shown.view, shown.invitation, shown.busy], ['invitation', invitation, false]);
  const anna = { ...ipad, id: '3', name: 'Anna' };
  const came = run(shown, { ...told, phones: [own, ipad, anna] }).state;
  assert.deepEqual([came.view, came.invitation, came.notice], ['list', null, { key: 'phones.came', name: 'Anna' }]);
  assert.deepEqual(run(shown, told).state.notice, { key: 'phones.used', name: '' });
  assert.deepEqual(run(shown, { ...told, at: invitation.expires }).state.notice, { key: 'phones.expired', name: '' });
  const back = run(shown, { type: 'takeback', id: 'i1' }, { type: 'takenback', id: 'i1' }).state;
  assert.deepEqual([back.view, back.invitations, back.notice], ['list', [], null]);
  const away = run(shown, { type: 'close' }, { type: 'open' }).state;
  assert.equal(away.view, 'invitation', 'what was shown is shown again');
  assert.equal(run(shown, { type: 'close' }, { ...told, phones: [own, anna] }).state.view, 'closed');
});

test('days are this phone\'s own, to their end', () => {
  const end = endOfDay('2024-02-29');
  assert.equal(dayOf(end), '2024-02-29');
  assert.notEqual(dayOf(end + 1_000), '2024-02-29');
  assert.equal(endOfDay(''), 0);
});

/** loop is a Phones in front of a house, and what it told. */
function loop(answers) {
  const made = { ...house(answers), out: 0, seen: true };
  made.phones = new Phones(made.house, me, { state: () => undefined, out: () => made.out++, visible: () => made.seen });
  made.loads = () => made.asked.filter(([, path]) => path === 'phones.json').length;
  return made;
}

test('the loop looks again while it is shown and seen', async () => {
  const made = loop({ 'GET phones.json': [200, { phones: [own], invitations: [] }] });
  made.phones.post({ type: 'open' });
  await settle();
  assert.deepEqual(made.phones.state.phones, [own]);
  for (const [seen, loads] of [[true, 2], [false, 2], [true, 3]]) {
    made.seen = seen;
    tick(10_000);
    await settle();
    assert.equal(made.loads(), loads);
  }
  made.phones.post({ type: 'close' });
  tick(60_000);
  await settle();
  assert.equal(made.loads(), 3);
});

test('a list that was asked for before an invitation was made does not say that it was used', async () => {
  let answer;
  const late = () => new Promise((resolve) => { answer = resolve; });
  const made = loop({ 'GET phones.json': [200, { phones: [own], invitations: [] }], 'POST invitations': [201, invitation] });
  made.phones.post({ type: 'open' });
  await settle();
  made.answers['GET phones.json'] = late;
  made.phones.wake();
  await settle();
  const old = answer;
  made.phones.post({ type: 'add' });
  made.phones.post({ type: 'invite' });
  await settle();
  old([200, { phones: [own], invitations: [] }]);
  await settle();
  assert.equal(made.phones.state.view, 'invitation');
  answer([200, { phones: [own, { ...ipad, name: 'Anna' }], invitations: [] }]);
  await settle();
  assert.deepEqual(made.phones.state.notice, { key: 'phones.came', name: 'Anna' });
});

test('the session has ended, or the house is away', async () => {
  const made = loop({});
  made.phones.post({ type: 'open' });
  await settle();
  assert.equal(made.phones.state.error, 'offline');
  made.answers['GET phones.json'] = [200, { phones: [own], invitations: [] }];
  tick(10_000);
  await settle();
  assert.equal(made.phones.state.error, '');
  made.answers['GET phones.json'] = [401, { error: 'no-session' }];
  tick(10_000);
  await settle();
  assert.equal(made.out, 1);
});
