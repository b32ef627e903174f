import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { closeReplaced, closeRevoked, Signaling } from '../page/protocol.js';
import { FakeSocket, freshClock, tick } from './support.js';

/** make returns a signaling that waits the longest time its back-off allows, and what it told. */
function make({ session } = {}) {
  const told = [];
  const tell = (what) => (...rest) => void told.push([what, ...rest]);
  const listener = { welcome: tell('welcome'), refused: tell('refused'), down: tell('down'), replaced: tell('replaced'), revoked: tell('revoked'), failed: tell('failed'), message: tell('message') };
  const signaling = new Signaling({ url: 'ws://house/ws', listener, session, WebSocket: FakeSocket, random: () => 1 });
  return { signaling, told, kinds: () => told.map(([kind]) => kind) };
}

/** online returns a signaling that is logged in. */
function online(reply = { type: 'login', success: true, here: [] }) {
  const made = make();
  made.signaling.login('Kitchen', 'secret');
  FakeSocket.last.open().frame(reply);
  made.told.length = 0;
  return made;
}

beforeEach(() => {
  freshClock();
  FakeSocket.made = [];
});

test('logs in with name, credential, kind, and asks for presence', () => {
  const { signaling, told } = make();
  signaling.login('Kitchen', 'secret');
  const socket = FakeSocket.last.open();
  assert.equal(socket.url, 'ws://house/ws');
  assert.deepEqual(socket.sent, [{ type: 'login', name: 'Kitchen', credential: 'secret', kind: 'phone', presence: true }]);
  assert.equal(signaling.online, false);
  assert.equal(signaling.send({ type: 'leave' }), false);
  socket.frame('Hello world').frame('{"half').frame('null').frame('[]').frame('{"type":5}');
  socket.frame({ type: 'login', success: true });
  assert.equal(signaling.online, true);
  assert.deepEqual(told, [['welcome', { type: 'login', success: true }]]);
  assert.equal(signaling.send({ type: 'leave', name: 'Anna' }), true);
  assert.deepEqual(socket.sent.at(-1), { type: 'leave', name: 'Anna' });
});

test('reconnects for ever with growing patience, and at once when the phone wakes', () => {
  const { signaling, kinds } = online();
  const waits = [500, 1000, 2000, 4000, 8000, 10_000, 10_000];
  FakeSocket.last.drop(1006);
  for (const wait of waits) {
    const count = FakeSocket.made.length;
    tick(wait - 1);
    assert.equal(FakeSocket.made.length, count, `before ${wait} ms`);
    tick(1);
    assert.equal(FakeSocket.made.length, count + 1, `after ${wait} ms`);
    FakeSocket.last.drop(1006);
  }
  assert.deepEqual(kinds().filter((kind) => kind !== 'failed'), ['down'], 'told once');
  const count = FakeSocket.made.length;
  signaling.nudge();
  assert.equal(FakeSocket.made.length, count + 1);
  FakeSocket.last.open().frame({ type: 'login', success: true });
  tick(60_000);
  assert.equal(FakeSocket.made.length, count + 1, 'and not a second time');
});

test('after a success the patience begins anew', () => {
  online();
  for (let i = 0; i < 4; i++) {
    FakeSocket.last.drop();
    tick(500);
    FakeSocket.last.open().frame({ type: 'login', success: true });
  }
  assert.equal(FakeSocket.made.length, 5);
});

test('a relay that never answers is left', () => {
  const { signaling } = make();
  signaling.login('Kitchen', 'secret');
  const first = FakeSocket.last.open();
  tick(10_000);
  assert.equal(first.closed, 1000);
  tick(500);
  assert.equal(FakeSocket.made.length, 2);
  first.frame({ type: 'login', success: true });
  assert.equal(signaling.online, false, 'what it says now is too late');
});

test('waking up, a connection that looks alive is tried', () => {
  const { signaling, told } = online();
  const socket = FakeSocket.last;
  signaling.nudge();
  assert.deepEqual(socket.sent.at(-1), { type: 'ping' });
  tick(2_999);
  socket.frame({ type: 'error', message: 'Command not found: ping' });
  tick(60_000);
  assert.equal(socket.closed, undefined, 'any frame is a sign of life');
  told.length = 0;
  signaling.nudge();
  tick(3_000);
  assert.equal(socket.closed, 1000);
  assert.deepEqual(told, [['down']]);
});

test('replaced: stays away until told to use it here', () => {
  const { signaling, kinds } = online();
  FakeSocket.last.drop(closeReplaced);
  tick(60_000);
  signaling.nudge();
  assert.deepEqual(kinds(), ['replaced']);
  assert.equal(FakeSocket.made.length, 1);
  signaling.login('Kitchen', 'secret', true);
  assert.equal(FakeSocket.made.length, 2);
});

const refusals = [
  { reply: { reason: 'taken' }, known: true, retrying: false },
  { reply: { reason: 'denied', message: 'no' }, known: true, retrying: false },
  { reply: { reason: 'full' }, known: false, retrying: true },
  { reply: {}, known: false, retrying: false },
  { reply: {}, known: true, retrying: true },
];
for (const { reply, known, retrying } of refusals) {
  test(`refused ${JSON.stringify(reply)}, name ${known ? 'known' : 'new'}: ${retrying ? 'tries again' : 'stays away'}`, () => {
    const { signaling, told } = make();
    signaling.login('Kitchen', 'secret', known);
    FakeSocket.last.open().frame({ type: 'login', success: false, ...reply });
    assert.deepEqual(told, [['refused', reply.reason ?? 'taken', reply.message ?? '', retrying]]);
    assert.equal(FakeSocket.last.closed, 1000);
    tick(10_000);
    assert.equal(FakeSocket.made.length, retrying ? 2 : 1);
  });
}

test('a page that was left is not here, until it is shown again', () => {
  const { signaling, kinds } = online();
  const socket = FakeSocket.last;
  signaling.suspend();
  assert.ok(socket.closed);
  assert.deepEqual(kinds(), ['down']);
  tick(60_000);
  assert.equal(FakeSocket.last, socket, 'it does not reconnect by itself');
  signaling.nudge();
  assert.notEqual(FakeSocket.last, socket);
});

test('logout closes and stays away; another login leaves the first', () => {
  const { signaling, told } = online();
  const first = FakeSocket.last;
  signaling.login('Attic', 'secret');
  assert.equal(first.closed, 1000);
  signaling.logout();
  tick(60_000);
  assert.equal(FakeSocket.made.length, 2);
  assert.deepEqual(told, []);
});

test('an address that the browser refuses is tried again, not thrown', () => {
  class Refusing {
    constructor() {
      throw new Error('insecure');
    }
  }
  const signaling = new Signaling({ url: 'x', listener: {}, WebSocket: Refusing, random: () => 1 });
  signaling.login('Kitchen', 'secret');
  tick(20_000);
  signaling.logout();
});

test('the right has ended: no reconnect, with a session or without', () => {
  for (const session of [true, false]) {
    const { signaling, told } = make({ session });
    signaling.login('Kitchen', undefined, true);
    FakeSocket.last.open().frame({ type: 'login', success: true });
    told.length = 0;
    const count = FakeSocket.made.length;
    FakeSocket.last.drop(closeRevoked);
    tick(60_000);
    signaling.nudge();
    assert.deepEqual(told, [['revoked']]);
    assert.equal(FakeSocket.made.length, count);
  }
});

test('with a session: no credential; "denied" means that it has ended, any other refusal is waited out', () => {
  const { signaling, kinds, told } = make({ session: true });
  signaling.login('Kitchen', undefined, true);
  assert.deepEqual(FakeSocket.last.open().sent, [{ type: 'login', name: 'Kitchen', kind: 'phone', presence: true }]);
  FakeSocket.last.frame({ type: 'login', success: false, reason: 'taken', message: 'still there' });
  assert.deepEqual(told, [['refused', 'taken', 'still there', true]]);
  tick(500);
  assert.equal(FakeSocket.made.length, 2);
  FakeSocket.last.open().frame({ type: 'login', success: false, reason: 'denied' });
  tick(60_000);
  assert.deepEqual(kinds(), ['refused', 'revoked']);
  assert.equal(FakeSocket.made.length, 2);
});

test('a socket that was never let in is told as failed each time', () => {
  const { signaling, kinds } = make({ session: true });
  signaling.login('Kitchen', undefined, true);
  FakeSocket.last.drop(1006);
  tick(500);
  FakeSocket.last.drop(1006);
  assert.deepEqual(kinds(), ['failed', 'failed']);
});
