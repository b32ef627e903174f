// The media voice: one RTCPeerConnection for one call. It knows no page and no socket; descriptions and candidates go in and
// out, and the other end's picture and sound come out as one MediaStream.

/**
 * @typedef {object} LinkListener
 * @property {(candidate: RTCIceCandidateInit) => void} candidate  to be sent; never before the description it belongs to
 * @property {(link: 'connected' | 'disconnected' | 'failed') => void} link
 * @property {(stream: MediaStream) => void} stream  what the other end sends; again, when the connection was made afresh
 *
 * @typedef {(description: RTCSessionDescriptionInit) => void} Deliver  sends a description
 */

/**
 * supported tells whether the browser can do calls at all.
 */
export function supported() {
  return typeof RTCPeerConnection === 'function';
}

/** Link is the media connection of a call. Its operations run one after the other, in the order they were asked for. */
export class Link {
  /** @type {RTCConfiguration} */ #configuration;
  /** @type {'door' | 'phone'} */ #kind;
  /** @type {LinkListener} */ #listener;

  /** @type {RTCPeerConnection} */ #pc;
  /** @type {Promise<unknown>} */ #last = Promise.resolve();
  /** Candidates of the other end that wait for its description. @type {RTCIceCandidateInit[]} */ #early = [];
  /** Own candidates that wait for the own description to be sent. @type {RTCIceCandidateInit[] | null} */ #held = null;
  /** Origin of the other end's session: another one means that it started afresh. */
  #origin = '';
  /** @type {{audio: MediaStreamTrack | null, video: MediaStreamTrack | null}} */ #tracks = { audio: null, video: null };
  /** Names the stream of our tracks to the other end. */
  #own = new MediaStream();
  #reported = 'connecting';
  #closed = false;
  /** What the other end sends, once it is known. @type {MediaStream | null} */ stream = null;

  /** @param {{kind: 'door' | 'phone', iceServers: RTCIceServer[], listener: LinkListener}} options */
  constructor({ kind, iceServers, listener }) {
    this.#kind = kind;
    this.#configuration = { iceServers, bundlePolicy: 'max-bundle' };
    this.#listener = listener;
    this.#pc = this.#make();
  }

  /**
   * offer makes an offer and delivers it. Restart looks for a new way to the same session; fresh begins a new one. The sender
   * for sound is negotiated from the start without a track, so that talking needs no new offer.
   * @param {{restart: boolean, fresh: boolean}} how
   * @param {Deliver} deliver
   */
  offer({ restart, fresh }, deliver) {
    return this.#queue(async () => {
      if (fresh) this.#remake();
      const pc = this.#pc;
      if (pc.getTransceivers().length === 0) {
        pc.addTransceiver('audio', { direction: 'sendrecv', streams: [this.#own] });
        pc.addTransceiver('video', { direction: this.#videoDirection(), streams: [this.#own] });
        await this.#putTracks();
      }
      pc.getTransceivers().forEach(wantCaptureTime);
      const offer = await pc.createOffer({ iceRestart: restart });
      await this.#describe(offer, deliver);
    });
  }

  /**
   * answer takes an offer and delivers the answer.
   * @param {RTCSessionDescriptionInit} offer
   * @param {Deliver} deliver
   */
  answer(offer, deliver) {
    return this.#queue(async () => {
      if (this.#origin !== '' && originOf(offer) !== this.#origin) this.#remake();
      const pc = this.#pc;
      await pc.setRemoteDescription(offer);
      this.#origin = originOf(offer);
      for (const transceiver of pc.getTransceivers()) this.#open(transceiver);
      pc.getTransceivers().forEach(wantCaptureTime);
      await this.#putTracks();
      await this.#describe(await pc.createAnswer(), deliver);
      await this.#addEarly();
    });
  }

  /**
   * apply takes the answer to our offer; one that no offer waits for is ignored.
   * @param {RTCSessionDescriptionInit} answer
   */
  apply(answer) {
    return this.#queue(async () => {
      if (this.#pc.signalingState !== 'have-local-offer') return;
      await this.#pc.setRemoteDescription(answer);
      this.#origin = originOf(answer);
      await this.#addEarly();
    });
  }

  /**
   * candidate takes a candidate of the other end, and keeps it until the description stands that it belongs to.
   * @param {RTCIceCandidateInit} candidate
   */
  candidate(candidate) {
    return this.#queue(async () => {
      this.#early.push(candidate);
      if (this.#pc.remoteDescription && this.#pc.signalingState === 'stable') await this.#addEarly();
    });
  }

  /**
   * use sends these tracks from now on, without a new offer; null sends nothing.
   * @param {{audio?: MediaStreamTrack | null, video?: MediaStreamTrack | null}} tracks
   */
  use(tracks) {
    Object.assign(this.#tracks, tracks);
    return this.#queue(() => this.#putTracks());
  }

  /** close ends the connection. Nothing is heard of it afterwards. */
  close() {
    this.#closed = true;
    this.#unmake();
  }

  /**
   * queue runs an operation after the ones before it, unless the link was closed.
   * @param {() => Promise<void>} operation
   * @returns {Promise<void>}
   */
  #queue(operation) {
    const run = async () => {
      if (this.#closed) return;
      try {
        await operation();
      } catch (error) {
        if (!this.#closed) throw error; // closing ends what is under way with an error of its own
      }
    };
    const result = this.#last.then(run);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #make() {
    const pc = new RTCPeerConnection(this.#configuration);
    const stream = new MediaStream();
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return; // the end of candidates, which base clients can't read
      if (this.#held) this.#held.push(candidate.toJSON());
      else this.#listener.candidate(candidate.toJSON());
    };
    pc.ontrack = ({ track }) => {
      stream.addTrack(track);
      this.stream = stream;
      this.#listener.stream(stream);
    };
    pc.onconnectionstatechange = pc.oniceconnectionstatechange = () => this.#report(pc);
    return pc;
  }

  #unmake() {
    const pc = this.#pc;
    pc.onicecandidate = pc.ontrack = pc.onconnectionstatechange = pc.oniceconnectionstatechange = null;
    pc.close();
  }

  #remake() {
    this.#unmake();
    this.#early = [];
    this.#origin = '';
    this.#reported = 'connecting';
    this.#pc = this.#make();
  }

  /** @param {RTCPeerConnection} pc */
  #report(pc) {
    const now = linkOf(pc);
    if (now === this.#reported) return; // two handlers, one change
    this.#reported = now;
    if (now !== 'connecting') this.#listener.link(now);
  }

  /**
   * describe sets the local description, delivers it, and then lets the candidates follow.
   * @param {RTCSessionDescriptionInit} description
   * @param {Deliver} deliver
   */
  async #describe(description, deliver) {
    this.#held ??= [];
    try {
      await this.#pc.setLocalDescription(description);
      const { type, sdp } = this.#pc.localDescription ?? description;
      if (!this.#closed) deliver({ type, sdp });
    } finally {
      const held = this.#held ?? [];
      this.#held = null;
      if (!this.#closed) held.forEach((candidate) => this.#listener.candidate(candidate));
    }
  }

  async #addEarly() {
    for (const candidate of this.#early.splice(0)) {
      try {
        await this.#pc.addIceCandidate(candidate);
      } catch (error) {
        console.debug('candidate not taken', candidate.candidate, error); // of an older description, or a kind unknown here
      }
    }
  }

  #videoDirection() {
    return /** @type {RTCRtpTransceiverDirection} */ (this.#kind === 'phone' ? 'sendrecv' : 'recvonly');
  }

  /**
   * open lets a transceiver of the other end's offer send too, so far as this kind of call does.
   * @param {RTCRtpTransceiver} transceiver
   */
  #open(transceiver) {
    const { kind } = transceiver.receiver.track;
    transceiver.direction = kind === 'audio' ? 'sendrecv' : this.#videoDirection();
    transceiver.sender.setStreams?.(this.#own);
  }

  async #putTracks() {
    for (const kind of /** @type {('audio' | 'video')[]} */ (['audio', 'video'])) {
      const transceiver = this.#pc.getTransceivers().find((one) => one.receiver.track.kind === kind);
      const track = this.#tracks[kind];
      if (transceiver && transceiver.sender.track !== track) await transceiver.sender.replaceTrack(track);
    }
  }
}

const streamIds = 'urn:ietf:params:rtp-hdrext:sdes:';
const captureTime = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';

/**
 * wantCaptureTime asks the other end to say when it captured what it sends, where the browser can be told to: it is then
 * known of each picture how old it is.
 * @param {RTCRtpTransceiver} transceiver
 */
function wantCaptureTime(transceiver) {
  const { getHeaderExtensionsToNegotiate: get, setHeaderExtensionsToNegotiate: set } = /** @type {any} */ (transceiver);
  if (!get || !set) return;
  try {
    const all = get.call(transceiver);
    for (const extension of all) {
      // Those that tell streams apart must not be left stopped, though the other end does not use them.
      if (extension.uri === captureTime || extension.uri.startsWith(streamIds)) extension.direction = 'sendrecv';
    }
    set.call(transceiver, all);
  } catch (error) {
    console.debug(`the age of pictures stays unknown: ${error}`); // the call works without
  }
}

/**
 * originOf returns the session's id from a description (RFC 8866, section 5.2); it stays through renewals.
 * @param {RTCSessionDescriptionInit} description
 */
function originOf(description) {
  return /^o=\S+ (\d+) /m.exec(description.sdp ?? '')?.[1] ?? '';
}

/**
 * linkOf sums up ICE and DTLS, which some browsers don't do themselves.
 * @param {RTCPeerConnection} pc
 */
function linkOf(pc) {
  const states = [pc.connectionState ?? pc.iceConnectionState, pc.iceConnectionState];
  if (states.includes('failed') || states.includes('closed')) return 'failed';
  if (states.includes('disconnected')) return 'disconnected';
  return states[0] === 'connected' || states[0] === /** @type {any} */ ('completed') ? 'connected' : 'connecting';
}
