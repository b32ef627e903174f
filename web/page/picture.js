// The other end's picture and sound in the page. A browser plays a muted video by itself, but lets it be heard only after the
// person has touched the page; unmuting before that pauses it.

import { byId, show } from './dom.js';

/** Picture plays what the other end sends in #remoteVideo, and the own camera in #localVideo. */
export class Picture {
  #remote = byId('remoteVideo', HTMLVideoElement);
  #local = byId('localVideo', HTMLVideoElement);
  #stage = byId('stage');
  #tap = byId('soundBtn');
  #wanted = false;
  /** Counts attempts to play, so that a late failure of an old one changes nothing. */
  #attempt = 0;
  /** When the picture was taken that is shown, in ms as performance.now() counts; NaN: there is none. */
  #taken = NaN;
  #awaited = 0;

  constructor() {
    for (const event of ['playing', 'resize', 'emptied', 'loadeddata']) {
      this.#remote.addEventListener(event, () => this.#look());
    }
    this.#tap.addEventListener('click', () => this.unlock());
    document.addEventListener('visibilitychange', () => { // a hidden page is shown none, which is no delay
      if (!Number.isNaN(this.#taken)) this.#taken = performance.now();
    });
  }

  /** @param {MediaStream | null} stream */
  remote(stream) {
    this.prepare(stream);
    if (stream) {
      this.#remote.muted = !this.#wanted;
      void this.#play();
    } else {
      show(this.#tap, false);
    }
    this.#look();
  }

  /**
   * prepare puts in place what is to be played, now or later, and is silent: pictures that come before that are lost.
   * @param {MediaStream | null} stream
   */
  prepare(stream) {
    if (this.#remote.srcObject === stream) return;
    this.#remote.srcObject = stream;
    this.#remote.muted = true;
    this.#follow();
  }

  /** @param {MediaStream | null} stream */
  local(stream) {
    this.#local.srcObject = stream;
    show(this.#local, stream !== null);
    if (stream) void this.#local.play().catch(() => undefined);
  }

  /**
   * hear lets the other end be heard, or not.
   * @param {boolean} audible
   */
  hear(audible) {
    if (audible === this.#wanted) return;
    this.#wanted = audible;
    this.#remote.muted = !audible;
    if (!audible) show(this.#tap, false);
    if (this.#remote.srcObject) void this.#play();
  }

  /** unlock is to be called from a person's touch or key: what may be heard then is. */
  unlock() {
    if (!this.#remote.srcObject || this.#remote.muted !== this.#wanted) return;
    this.#remote.muted = !this.#wanted;
    void this.#play();
  }

  /** Volume of the other end, 0 to 1. @param {number} level */
  set volume(level) {
    this.#remote.volume = level;
  }

  /** volumeWorks is false where only the phone's own keys set the volume (iOS). */
  get volumeWorks() {
    const before = this.#remote.volume;
    this.#remote.volume = 0.5;
    const works = this.#remote.volume === 0.5;
    this.#remote.volume = before;
    return works;
  }

  /**
   * age is how long ago the picture was taken that is shown, in ms; null where there is none. Of browsers that can't tell it is
   * how long that picture has been standing.
   */
  get age() {
    return Number.isNaN(this.#taken) ? null : Math.max(0, performance.now() - this.#taken);
  }

  /** Notes when each picture of a stream was taken: captureTime is by this phone's clock, found by the sender's reports. */
  #follow() {
    const video = this.#remote;
    this.#taken = NaN;
    if (!video.requestVideoFrameCallback) return;
    video.cancelVideoFrameCallback(this.#awaited);
    /** @type {VideoFrameRequestCallback} */
    const shown = (now, { captureTime }) => {
      this.#taken = Math.min(captureTime ?? now, now);
      this.#awaited = video.requestVideoFrameCallback(shown);
    };
    this.#awaited = video.requestVideoFrameCallback(shown);
  }

  async #play() {
    const attempt = ++this.#attempt;
    try {
      await this.#remote.play();
      if (attempt === this.#attempt) show(this.#tap, false);
    } catch (error) {
      if (attempt !== this.#attempt || !(error instanceof Error) || error.name !== 'NotAllowedError') return;
      this.#remote.muted = true;
      show(this.#tap, this.#wanted);
      await this.#remote.play().catch(() => undefined);
    }
  }

  /** Says on the stage whether there is a picture: data-picture is "live" or "none". */
  #look() {
    const { srcObject, videoWidth, readyState } = this.#remote;
    const live = srcObject !== null && videoWidth > 2 && readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    this.#stage.dataset.picture = live ? 'live' : 'none';
  }
}
