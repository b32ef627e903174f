// What the tests share: a phone's state driven by events, and stand-ins for the browser's WebSocket and RTCPeerConnection that
// only record what is done with them and let the test say what happens.

import { webcrypto } from 'node:crypto';

import { install } from '@sinonjs/fake-timers';

import { initial, step } from '../page/state.js';

globalThis.crypto ??= webcrypto; // Node 18, which is Debian 12's, has it under this name only

/** @type {import('@sinonjs/fake-timers').InstalledClock | undefined} */
let clock;

/** freshClock lets time stand still at that many ms since 1970. Node 18's own can't mock Date. */
export function freshClock(now = 0) {
  clock?.uninstall();
  clock = install({ now, toFake: ['setTimeout', 'clearTimeout', 'Date'] });
}

/** tick moves the clock on. */
export const tick = (ms) => clock.tick(ms);

/** Driver feeds events to the state and keeps the effects. */
export class Driver {
  state = initial({ door: 'doorbell' });
  effects = [];
  #at = 1_000_000;

  constructor(here = [{ name: 'doorbell', kind: 'door' }, { name: 'Anna', kind: 'phone' }]) {
    if (here !== undefined) this.online(here);
  }

  online(here) {
    this.post({ type: 'login', name: 'Kitchen' });
    this.post({ type: 'welcome', message: { type: 'login', success: true, ...(here && { here }), iceServers: [] } });
    this.effects = [];
    return this;
  }

  /** post takes one event and returns its effects. */
  post(event) {
    const { state, effects } = step(this.state, { id: 'generated', at: (this.#at += 10), ...event });
    this.state = state;
    this.effects.push(...effects);
    return effects;
  }

  hear(message, id = 'generated') {
    return this.post({ type: 'message', message, id });
  }

  get call() {
    return this.state.call;
  }

  /** sent returns the messages in these effects. */
  static sent(effects) {
    return effects.filter((effect) => effect.do === 'send').map((effect) => effect.message);
  }

  static did(effects, what) {
    return effects.filter((effect) => effect.do === what);
  }
}

export const sdp = (session = 1) => `v=0\r\no=- ${session} 2 IN IP4 127.0.0.1\r\ns=-\r\n`;
export const offer = (session) => ({ type: 'offer', sdp: sdp(session) });
export const answer = (session) => ({ type: 'answer', sdp: sdp(session) });

/** ring is the door's offer of a press. */
export const ring = (call = 'r1', name = 'doorbell') => ({ type: 'offer', name, call, ring: true, offer: offer() });

export class FakeSocket {
  static made = [];
  static get last() {
    return FakeSocket.made.at(-1);
  }
  sent = [];
  closed = undefined;

  constructor(url) {
    this.url = url;
    FakeSocket.made.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close(code) {
    this.closed ??= code ?? 1005;
  }
  open() {
    this.onopen?.({});
    return this;
  }
  frame(data) {
    this.onmessage?.({ data: typeof data === 'string' ? data : JSON.stringify(data) });
    return this;
  }
  /** drop is the other end's or the network's close. */
  drop(code = 1006) {
    this.onclose?.({ code });
  }
}

let sessions = 100;

export class FakePeerConnection {
  static made = [];
  static get last() {
    return FakePeerConnection.made.at(-1);
  }
  signalingState = 'stable';
  connectionState = 'new';
  iceConnectionState = 'new';
  localDescription = null;
  remoteDescription = null;
  transceivers = [];
  candidates = [];
  closed = false;
  session = sessions++;

  constructor(configuration) {
    this.configuration = configuration;
    FakePeerConnection.made.push(this);
  }
  addTransceiver(kind, { direction }) {
    const transceiver = {
      direction,
      receiver: { track: { kind } },
      sender: {
        track: null,
        streams: [],
        async replaceTrack(track) {
          this.track = track;
        },
        setStreams(...streams) {
          this.streams = streams;
        },
      },
    };
    this.transceivers.push(transceiver);
    return transceiver;
  }
  getTransceivers() {
    return this.transceivers;
  }
  async createOffer({ iceRestart }) {
    return { type: 'offer', sdp: sdp(this.session), iceRestart };
  }
  async createAnswer() {
    return { type: 'answer', sdp: sdp(this.session) };
  }
  async setLocalDescription(description) {
    this.localDescription = description;
    this.signalingState = description.type === 'offer' ? 'have-local-offer' : 'stable';
    this.find(`local-${description.type}`); // before the promise is done, as a browser may
  }
  async setRemoteDescription(description) {
    if (description.sdp === 'bad') throw new Error('bad sdp');
    this.remoteDescription = description;
    if (description.type === 'offer' && this.transceivers.length === 0) {
      this.addTransceiver('audio', { direction: 'recvonly' });
      this.addTransceiver('video', { direction: 'recvonly' });
    }
    this.signalingState = description.type === 'offer' ? 'have-remote-offer' : 'stable';
  }
  async addIceCandidate(candidate) {
    if (!this.remoteDescription) throw new Error('candidate without description');
    if (candidate.candidate === 'bad') throw new Error('bad candidate');
    this.candidates.push(candidate.candidate);
  }
  close() {
    this.closed = true;
  }
  find(candidate) {
    this.onicecandidate?.({ candidate: candidate && { candidate, toJSON: () => ({ candidate, sdpMid: '0' }) } });
  }
  become(state) {
    this.connectionState = state;
    this.iceConnectionState = state;
    this.onconnectionstatechange?.({});
    this.oniceconnectionstatechange?.({});
  }
}

export class FakeTrack extends EventTarget {
  enabled = true;
  stopped = false;
  constructor(kind) {
    super();
    this.kind = kind;
  }
  stop() {
    this.stopped = true;
  }
}

export class FakeStream {
  constructor(tracks = []) {
    this.tracks = [...tracks];
  }
  addTrack(track) {
    this.tracks.push(track);
  }
  getAudioTracks() {
    return this.tracks.filter((track) => track.kind === 'audio');
  }
  getVideoTracks() {
    return this.tracks.filter((track) => track.kind === 'video');
  }
}

/** settle lets promises that are ready run. */
export async function settle() {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}
