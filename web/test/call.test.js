import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { answer, FakePeerConnection, FakeStream, FakeTrack, offer, sdp, settle } from './support.js';

globalThis.RTCPeerConnection = FakePeerConnection;
globalThis.MediaStream = FakeStream;
const { Link } = await import('../page/call.js');

let told;
beforeEach(() => {
  told = [];
  FakePeerConnection.made = [];
});

/** make returns a link that notes in told what it says, in order. */
function make(kind = 'door') {
  const listener = {
    candidate: ({ candidate }) => told.push(candidate),
    link: (link) => told.push(link),
    stream: (stream) => told.push(stream),
  };
  return new Link({ kind, iceServers: [{ urls: 'stun:x' }], listener });
}
const deliver = ({ type }) => told.push(type);
const directions = () => FakePeerConnection.last.transceivers.map(({ receiver, direction }) => [receiver.track.kind, direction]);

test('to a door: sound both ways and its picture, negotiated without a track', async () => {
  const link = make();
  await link.offer({ restart: false, fresh: false }, deliver);
  assert.deepEqual(directions(), [['audio', 'sendrecv'], ['video', 'recvonly']]);
  assert.deepEqual(FakePeerConnection.last.configuration.iceServers, [{ urls: 'stun:x' }]);
  const microphone = new FakeTrack('audio');
  await link.use({ audio: microphone });
  assert.equal(FakePeerConnection.last.transceivers[0].sender.track, microphone);
  assert.deepEqual(told, ['offer', 'local-offer'], 'no second offer, and candidates after the first');
});

test('to a phone: both both ways, with the tracks that are there', async () => {
  const link = make('phone');
  const camera = new FakeTrack('video');
  await link.use({ audio: null, video: camera });
  await link.offer({ restart: false, fresh: false }, deliver);
  assert.deepEqual(directions(), [['audio', 'sendrecv'], ['video', 'sendrecv']]);
  assert.equal(FakePeerConnection.last.transceivers[1].sender.track, camera);
});

test('answering a door opens the way for the microphone at once', async () => {
  const link = make();
  await link.answer(offer(), deliver);
  assert.deepEqual(directions(), [['audio', 'sendrecv'], ['video', 'recvonly']]);
  assert.deepEqual(told, ['answer', 'local-answer']);
});

test('candidates wait for the description that they belong to, in order', async () => {
  const link = make();
  link.candidate({ candidate: 'a' });
  link.candidate({ candidate: 'bad' });
  link.candidate({ candidate: 'b' });
  await settle();
  assert.deepEqual(FakePeerConnection.last.candidates, []);
  await link.answer(offer(), deliver);
  await link.candidate({ candidate: 'c' });
  assert.deepEqual(FakePeerConnection.last.candidates, ['a', 'b', 'c']);
  await link.offer({ restart: true, fresh: false }, deliver);
  await link.candidate({ candidate: 'of the new description' });
  assert.deepEqual(FakePeerConnection.last.candidates, ['a', 'b', 'c']);
  await link.apply(answer());
  assert.deepEqual(FakePeerConnection.last.candidates, ['a', 'b', 'c', 'of the new description']);
});

test('an answer that nothing waits for is ignored', async () => {
  const link = make();
  await link.apply(answer());
  assert.equal(FakePeerConnection.last.remoteDescription, null);
});

test('the end of candidates is not sent', async () => {
  make();
  FakePeerConnection.last.find('');
  FakePeerConnection.last.find(null);
  FakePeerConnection.last.find('x');
  assert.deepEqual(told, ['x']);
});

test('an offer of a new session at the other end begins a new connection, with the same tracks', async () => {
  const link = make('phone');
  const microphone = new FakeTrack('audio');
  await link.answer(offer(1), deliver);
  await link.use({ audio: microphone });
  await link.answer(offer(1), deliver);
  assert.equal(FakePeerConnection.made.length, 1, 'a renewal keeps the connection');
  await link.answer(offer(2), deliver);
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(FakePeerConnection.made[0].closed, true);
  assert.equal(FakePeerConnection.last.transceivers[0].sender.track, microphone);
});

test('fresh begins a new connection; what the old one says is not heard', async () => {
  const link = make();
  await link.offer({ restart: false, fresh: false }, deliver);
  const old = FakePeerConnection.last;
  await link.offer({ restart: true, fresh: true }, deliver);
  assert.equal(old.closed, true);
  told = [];
  old.become('failed');
  old.find('x');
  assert.deepEqual(told, []);
});

test('states are told once each', () => {
  make();
  for (const state of ['connecting', 'connected', 'connected', 'disconnected', 'failed', 'connecting', 'failed']) {
    FakePeerConnection.last.become(state);
  }
  assert.deepEqual(told.filter((what, i) => what !== told[i - 1] || what !== 'failed'), ['connected', 'disconnected', 'failed']);
  assert.equal(told.filter((what) => what === 'failed').length, 2);
});

test('what comes in is one stream', () => {
  make();
  FakePeerConnection.last.ontrack({ track: new FakeTrack('audio') });
  FakePeerConnection.last.ontrack({ track: new FakeTrack('video') });
  assert.equal(told[0], told[1]);
  assert.equal(told[1].tracks.length, 2);
});

test('an error of one operation is its caller\'s, and the next goes on', async () => {
  const link = make();
  await assert.rejects(link.answer({ type: 'offer', sdp: 'bad' }, deliver), /bad sdp/);
  await link.answer({ type: 'offer', sdp: sdp(1) }, deliver);
  assert.deepEqual(told, ['answer', 'local-answer']);
});

test('after close nothing happens', async () => {
  const link = make();
  const under = link.offer({ restart: false, fresh: false }, deliver);
  link.close();
  await under;
  await link.candidate({ candidate: 'a' });
  await link.answer({ type: 'offer', sdp: 'bad' }, deliver);
  assert.deepEqual(told, []);
  assert.equal(FakePeerConnection.last.closed, true);
});
