// The whole phone but for its picture: state, socket and media connection together, in front of a browser that only records.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { answer, FakePeerConnection, FakeSocket, FakeStream, FakeTrack, freshClock, offer, ring, settle, tick } from './support.js';

let granted;
globalThis.window = { isSecureContext: true };
globalThis.WebSocket = FakeSocket;
globalThis.RTCPeerConnection = FakePeerConnection;
globalThis.MediaStream = FakeStream;
Object.defineProperty(globalThis, 'navigator', { configurable: true, value: {} });

const { Phone } = await import('../page/phone.js');
const { Store } = await import('../page/store.js');
const { screen } = await import('../page/state.js');
const { times } = await import('../page/turn.js');

/** browser is the memory of one browser: it lives on when its page is reloaded. */
function browser() {
  const kept = () => {
    const map = new Map();
    const get = (key) => map.get(key) ?? null;
    return () => ({ getItem: get, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) });
  };
  return { local: kept(), session: kept() };
}

/** page opens the phone's page in a browser. */
function page(memory = browser()) {
  const heard = { states: [], made: [], sounds: [], remote: undefined, prepared: undefined, local: undefined };
  const phone = new Phone({
    url: 'ws://house/ws',
    door: 'doorbell',
    store: new Store(memory.local),
    tab: new Store(memory.session),
    listener: {
      state: (state) => {
        heard.states.push(screen(state));
        heard.made.push(FakePeerConnection.made.length);
      },
      sound: (sound) => heard.sounds.push(sound),
      remote: (stream) => { heard.remote = stream; },
      prepare: (stream) => { heard.prepared = stream; },
      local: (stream) => { heard.local = stream; },
    },
  });
  phone.open();
  return { phone, heard, memory };
}

const here = [{ name: 'doorbell', kind: 'door' }, { name: 'Anna', kind: 'phone' }];

/** home is a phone that is logged in. */
function home(memory) {
  const made = page(memory);
  if (made.phone.state.session === 'out') made.phone.post({ type: 'login', name: 'Kitchen' });
  FakeSocket.last.open().frame({ type: 'login', success: true, name: 'Kitchen', here, iceServers: [] });
  FakeSocket.last.sent = [];
  return made;
}

const sent = () => FakeSocket.last.sent.map(({ type, call, preview, reason }) => [type, call, preview ?? reason].filter((x) => x !== undefined));

beforeEach(() => {
  freshClock(1_700_000_000_000);
  FakeSocket.made = [];
  FakePeerConnection.made = [];
  granted = { audio: new FakeTrack('audio'), video: new FakeTrack('video') };
  navigator.mediaDevices = {
    async getUserMedia({ audio, video }) {
      if (!granted) throw Object.assign(new Error('no'), { name: 'NotAllowedError' });
      return new FakeStream([audio && granted.audio, video && granted.video].filter(Boolean));
    },
  };
});

test('a ring, taken: preview answer, its candidates, accept, microphone without a new offer, hang up', async () => {
  const { phone, heard } = home();
  FakeSocket.last.frame(ring('r1'));
  FakeSocket.last.frame({ type: 'candidate', name: 'doorbell', call: 'r1', candidate: { candidate: 'early' } });
  await settle();
  assert.deepEqual(sent(), [['answer', 'r1', true], ['candidate', 'r1']]);
  assert.deepEqual(FakePeerConnection.last.candidates, ['early']);
  phone.post({ type: 'accept' });
  await settle();
  assert.equal(phone.state.call.mic, 'on');
  assert.equal(FakePeerConnection.last.transceivers[0].sender.track, granted.audio);
  phone.post({ type: 'mute' });
  assert.equal(granted.audio.enabled, false);
  FakeSocket.last.frame({ type: 'press', name: 'doorbell', call: 'r1' });
  assert.deepEqual(heard.sounds, ['again']);
  phone.post({ type: 'hangup' });
  assert.deepEqual(sent().slice(2), [['accept', 'r1'], ['leave', 'r1', 'hangup']]);
  assert.equal(granted.audio.stopped, true);
  assert.equal(FakePeerConnection.last.closed, true);
  assert.equal(heard.remote, null);
  assert.equal(screen(phone.state), 'home');
});

test('the microphone is refused: the call goes on, and another try may succeed', async () => {
  const { phone } = home();
  const track = granted.audio;
  granted = null;
  FakeSocket.last.frame(ring('r1'));
  await settle();
  phone.post({ type: 'accept' });
  await settle();
  assert.equal(phone.state.call.mic, 'refused');
  granted = { audio: track };
  phone.post({ type: 'retrymic' });
  await settle();
  assert.equal(phone.state.call.mic, 'on');
  track.dispatchEvent(new Event('ended'));
  assert.equal(phone.state.call.mic, 'lost');
});

test('where the page is not secure it says so, and looks all the same', async () => {
  const { phone } = home();
  delete navigator.mediaDevices;
  window.isSecureContext = false;
  phone.post({ type: 'call', peer: 'doorbell' });
  await settle();
  const { call } = phone.state;
  FakeSocket.last.frame({ type: 'answer', name: 'doorbell', call: call.id, answer: answer() });
  await settle();
  phone.post({ type: 'talk' });
  await settle();
  assert.equal(phone.state.call.mic, 'insecure');
  window.isSecureContext = true;
});

test('hung up while the browser still asks: what it gives then is closed again', async () => {
  const { phone } = home();
  phone.post({ type: 'call', peer: 'Anna' });
  phone.post({ type: 'hangup' });
  await settle();
  assert.equal(granted.audio.stopped && granted.video.stopped, true);
  assert.deepEqual(sent().map(([type]) => type), ['leave']);
});

test('a phone\'s call: the own picture is shown, and sent', async () => {
  const { phone, heard } = home();
  FakeSocket.last.frame({ type: 'offer', name: 'Anna', call: 'c1', offer: offer() });
  await settle();
  assert.deepEqual(sent(), []);
  phone.post({ type: 'accept' });
  await settle();
  assert.deepEqual(sent(), [['answer', 'c1'], ['candidate', 'c1']]);
  assert.deepEqual(heard.local.getVideoTracks(), [granted.video]);
  assert.equal(FakePeerConnection.last.transceivers[1].sender.track, granted.video);
});

test('connection lost: restart at once, afresh after 5 s, given up after 30', async () => {
  const { phone } = home();
  phone.post({ type: 'call', peer: 'doorbell' });
  await settle();
  const { id } = phone.state.call;
  FakeSocket.last.frame({ type: 'answer', name: 'doorbell', call: id, answer: answer() });
  await settle();
  FakePeerConnection.last.become('connected');
  FakePeerConnection.last.become('failed');
  await settle();
  assert.equal(sent().filter(([type]) => type === 'offer').length, 2);
  assert.equal(FakePeerConnection.made.length, 1);
  tick(5000);
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
  tick(25_000);
  assert.equal(phone.state.call, null);
  assert.equal(phone.state.notice.key, 'end.lost');
  assert.deepEqual(sent().at(-1), ['leave', id, 'failed']);
});

test('name and credential are remembered; the credential stays the same', () => {
  const { memory } = home();
  const second = page(memory);
  assert.equal(second.phone.state.session, 'joining');
  const [first, again] = FakeSocket.made;
  again.open();
  first.open();
  assert.equal(again.sent[0].name, 'Kitchen');
  assert.match(again.sent[0].credential, /^[0-9a-f]{32}$/);
  assert.equal(again.sent[0].credential, first.sent.at(-1).credential);
  second.phone.post({ type: 'logout' });
  assert.equal(page(memory).phone.state.session, 'out');
});

test('the page is reloaded in a call: the call is taken up under its id, but not after half a minute', async () => {
  const { phone, memory } = home();
  FakeSocket.last.frame(ring('r1'));
  await settle();
  FakePeerConnection.last.become('connected');
  phone.post({ type: 'accept' });
  await settle();
  tick(60_000);
  phone.leave();
  tick(20_000);
  const second = home(memory);
  await settle();
  assert.deepEqual(sent(), [['offer', 'r1'], ['candidate', 'r1']]);
  FakeSocket.last.frame({ type: 'answer', name: 'doorbell', call: 'r1', answer: answer() });
  await settle();
  assert.equal(second.phone.state.call.mic, 'on');
  second.phone.leave();
  tick(31_000);
  assert.equal(home(memory).phone.state.call, null);
});

test('missed visits outlive the page until dismissed', () => {
  const { phone, memory } = home();
  FakeSocket.last.frame(ring('r1')).frame({ type: 'leave', name: 'doorbell', call: 'r1', reason: 'missed' });
  assert.equal(page(memory).phone.state.missed.length, 1);
  phone.post({ type: 'dismissmissed' });
  assert.equal(page(memory).phone.state.missed.length, 0);
});

test('a browser without WebRTC ends the ring here and says so', async () => {
  const { phone } = home();
  globalThis.RTCPeerConnection = undefined;
  mock.method(console, 'warn', () => {});
  FakeSocket.last.frame(ring('r1'));
  await settle();
  globalThis.RTCPeerConnection = FakePeerConnection;
  assert.equal(phone.state.call, null);
  assert.deepEqual(sent(), [['leave', 'r1', 'failed']]);
});

/** member is a page that the house's session lets in under a name. */
function member(gone = async () => false) {
  const memory = browser();
  const phone = new Phone({
    url: 'ws://house/ws', door: 'doorbell', me: 'Kitchen', gone, store: new Store(memory.local), tab: new Store(memory.session),
    listener: { state: () => undefined, sound: () => undefined, remote: () => undefined, prepare: () => undefined, local: () => undefined },
  });
  phone.open();
  return { phone, memory };
}

const welcome = { type: 'login', success: true, name: 'Kitchen', here, iceServers: [] };

test('with a session: logged in at once under the house\'s name, without a credential, and nothing is remembered', () => {
  const { phone, memory } = member();
  assert.deepEqual(FakeSocket.last.open().sent, [{ type: 'login', name: 'Kitchen', kind: 'phone', presence: true }]);
  FakeSocket.last.frame(welcome);
  assert.equal(screen(phone.state), 'home');
  const store = new Store(memory.local);
  assert.deepEqual([store.get('name'), store.get('credential')], [undefined, undefined]);
});

test('revoked in a call: it ends, microphone and all, and the page stays away', async () => {
  const { phone } = member();
  FakeSocket.last.open().frame(welcome).frame(ring('r1'));
  await settle();
  phone.post({ type: 'accept' });
  await settle();
  FakeSocket.last.frame({ type: 'leave', name: 'doorbell', call: 'r1', reason: 'revoked' });
  FakeSocket.last.drop(4003);
  assert.equal(screen(phone.state), 'revoked');
  assert.equal(phone.state.call, null);
  assert.equal(FakePeerConnection.last.closed && granted.audio.stopped, true);
  tick(60_000);
  phone.wake();
  assert.equal(FakeSocket.made.length, 1);
});

test('a close without the leave before it ends the call as well', async () => {
  const { phone } = member();
  FakeSocket.last.open().frame(welcome).frame(ring('r1'));
  await settle();
  FakeSocket.last.drop(4003);
  assert.deepEqual([screen(phone.state), phone.state.call], ['revoked', null]);
  assert.equal(FakePeerConnection.last.closed, true);
});

test('not let in again: the page asks the house whether its session has ended, and believes only a clear yes', async () => {
  let ended = false;
  let asked = 0;
  const { phone } = member(async () => {
    asked++;
    return ended;
  });
  FakeSocket.last.open().frame(welcome);
  FakeSocket.last.drop(1006);
  tick(10_000);
  FakeSocket.last.drop(1006);
  await settle();
  assert.deepEqual([asked, screen(phone.state), phone.state.connection], [1, 'home', 'offline']);
  ended = true;
  tick(10_000);
  FakeSocket.last.drop(1006);
  await settle();
  assert.equal(screen(phone.state), 'revoked');
  const { length } = FakeSocket.made;
  tick(60_000);
  assert.equal(FakeSocket.made.length, length);
});

test('the picture of a connection that is kept ready is made ready for, and given up with it', async () => {
  const { phone, heard } = home();
  tick(times.standby);
  await settle();
  const kept = FakePeerConnection.last;
  const { call } = FakeSocket.last.sent.find(({ type, standby }) => type === 'offer' && standby);
  FakeSocket.last.frame({ type: 'answer', name: 'doorbell', call, answer: { type: 'answer', sdp: 'v=0' }, standby: true });
  await settle();
  kept.ontrack({ track: new FakeTrack('video') });
  const { prepared } = heard;
  assert.equal(prepared instanceof MediaStream && heard.remote === undefined, true);
  kept.become('connected');
  FakeSocket.last.frame({ type: 'press', name: 'doorbell', call, ring: true });
  assert.deepEqual([screen(phone.state), heard.remote === prepared], ['ringing', true]);
  assert.deepEqual([FakePeerConnection.made.length, heard.prepared === prepared], [1, true]);
  phone.post({ type: 'decline' });
  assert.equal(heard.remote, null);

  tick(times.standby);
  await settle();
  FakePeerConnection.last.ontrack({ track: new FakeTrack('video') });
  assert.equal(heard.prepared !== prepared && heard.prepared !== null, true);
  phone.post({ type: 'network' });
  assert.equal(heard.prepared, null);
});

test('a ring is shown before its connection is made', () => {
  const { heard } = home();
  FakeSocket.last.frame(ring('r1'));
  assert.deepEqual([heard.made[heard.states.indexOf('ringing')], FakePeerConnection.made.length], [0, 1]);
});
