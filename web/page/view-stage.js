// The stage: the ring screen and the call, over the other end's picture.

import { byId, icon, setIcon, show, write } from './dom.js';
import { screen } from './state.js';

/**
 * @typedef {import('./turn.js').State} State
 * @typedef {import('./turn.js').Call} Call
 * @typedef {(event: {type: string, [field: string]: any}) => void} Post
 * @typedef {import('./i18n.js').Words} Words
 * @typedef {import('./picture.js').Picture} Picture
 * @typedef {import('./store.js').Store} Store
 */

/** A key pressed within this time (ms) after the ring appeared was meant for something else. */
const startled = 700;

/** A picture that is older (ms) is said to be. */
const late = 2_000;

const micProblems = ['refused', 'missing', 'busy', 'insecure', 'lost'];

/** StageView shows the call. */
export class StageView {
  #stage = byId('stage');
  #ring = byId('ring');
  #controls = byId('controls');
  #mic = byId('micBtn', HTMLButtonElement);
  /** @type {Post} */ #post;
  /** @type {Words} */ #words;
  #picture;
  /** @type {Call | null} */ #call = null;
  #rangAt = 0;
  /** What had the focus before the stage came. @type {Element | null} */ #before = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #clock;

  /**
   * @param {Post} post
   * @param {Words} words
   * @param {Picture} picture
   * @param {Store} store
   */
  constructor(post, words, picture, store) {
    this.#post = post;
    this.#words = words;
    this.#picture = picture;
    const clicks = {
      acceptBtn: 'accept', declineBtn: 'decline', silenceBtn: 'silence', hangUpBtn: 'hangup', switchBtn: 'switch',
      refuseBtn: 'refuse', micRetryBtn: 'retrymic',
    };
    for (const [id, type] of Object.entries(clicks)) byId(id).addEventListener('click', () => post({ type }));
    this.#mic.addEventListener('click', () => this.#micClicked());
    this.#ring.addEventListener('keydown', (event) => this.#key(event));
    this.#bindVolume(store);
  }

  /** @param {State} state */
  render(state) {
    const { call, waiting } = state;
    const visible = call !== null && state.session === 'in';
    const appeared = visible && this.#stage.hidden;
    if (appeared) this.#before = document.activeElement;
    show(this.#stage, visible);
    if (!visible) {
      this.#gone();
      return;
    }
    const rang = this.#call?.phase === 'ringing';
    this.#call = call;
    const view = screen(state);
    this.#renderHead(call);
    this.#renderPoster(call);
    this.#renderControls(call);
    this.#renderBanners(call);
    show(byId('waiting'), waiting !== null);
    show(this.#ring, view === 'ringing');
    this.#renderRing(call);
    if (view === 'ringing' && !rang) this.#startRing();
    else if (view !== 'ringing' && (appeared || rang)) byId('callTitle').focus();
  }

  #gone() {
    if (!this.#call) return;
    this.#call = null;
    clearInterval(this.#clock);
    this.#clock = undefined;
    const before = this.#before;
    this.#before = null;
    const back = before instanceof HTMLElement && before.offsetParent !== null ? before : byId('homeTitle');
    back.focus({ preventScroll: true });
  }

  #startRing() {
    this.#rangAt = performance.now();
    this.#ring.focus();
  }

  /**
   * Enter on the dialog itself accepts, but not in the first moment: the person may have been typing. Escape, which people press
   * without thinking, only silences.
   * @param {KeyboardEvent} event
   */
  #key(event) {
    if (event.key === 'Escape') this.#post({ type: 'silence' });
    else if (event.key === 'Enter' && event.target === this.#ring && performance.now() - this.#rangAt > startled) {
      this.#post({ type: 'accept' });
    } else return;
    event.preventDefault();
  }

  /** @param {Call} call */
  #renderHead(call) {
    write(byId('callTitle'), call.peer);
    const { dataset } = this.#stage;
    Object.assign(dataset, { peer: call.peer, kind: call.kind, link: call.link, call: call.id, taken: String(call.taken) });
    this.#tick();
    this.#clock ??= setInterval(() => this.#tick(), 1000);
  }

  #tick() {
    const call = this.#call;
    if (!call) return;
    const word = this.#words.say(stateKey(call));
    const counts = call.phase === 'incall' && call.link === 'connected';
    const state = byId('callState');
    state.setAttribute('aria-live', counts ? 'off' : 'polite'); // nobody wants each second read out
    write(state, counts ? this.#stale(call) || `${word} · ${duration(Date.now() - call.since)}` : word);
  }

  /**
   * stale says how old the picture is, where it stands still or comes late; else only who points at it learns it.
   * @param {Call} call
   */
  #stale({ kind, devices }) {
    const { age } = this.#picture;
    byId('callState').title = age === null ? '' : this.#words.say('picture.age', { age: this.#words.seconds(age, 2) });
    this.#stage.dataset.age = age === null ? '' : age.toFixed(0);
    // Of a lost camera there are words already.
    const stale = age !== null && age >= late && kind === 'door' && devices.camera === 'ok';
    this.#stage.toggleAttribute('data-late', stale);
    if (!stale) return '';
    return this.#words.say('picture.late', { age: this.#words.seconds(age) });
  }

  /** @param {Call} call */
  #renderPoster(call) {
    const avatar = byId('avatar');
    const face = call.kind + call.peer;
    if (avatar.dataset.face !== face) {
      avatar.dataset.face = face;
      avatar.replaceChildren(call.kind === 'door' ? icon('door') : [...call.peer][0]?.toUpperCase() ?? '');
    }
    write(byId('posterText'), this.#words.say(posterKey(call)));
    byId('remoteVideo').setAttribute('aria-label', this.#words.say('picture.of', { peer: call.peer }));
  }

  /** @param {Call} call */
  #renderControls(call) {
    show(this.#controls, call.phase !== 'ringing');
    const { mic } = call;
    const key = { on: 'mic.mute', muted: 'mic.unmute', asking: 'mic.asking' }[String(mic)] ?? 'mic.talk';
    show(this.#mic, call.phase === 'viewing' || call.phase === 'incall');
    this.#mic.disabled = mic === 'asking';
    this.#mic.dataset.mic = mic;
    setIcon(this.#mic, mic === 'muted' || micProblems.includes(mic) ? 'mic-off' : 'mic');
    write(byId('micText'), this.#words.say(key));
    write(byId('hangUpText'), this.#words.say(call.phase === 'viewing' ? 'close' : 'hangup'));
    this.#stage.dataset.mic = mic;
  }

  #micClicked() {
    const call = this.#call;
    if (!call) return;
    if (call.mic === 'on' || call.mic === 'muted') this.#post({ type: 'mute' });
    else this.#post({ type: call.phase === 'viewing' ? 'talk' : 'retrymic' });
  }

  /** @param {Call} call */
  #renderBanners(call) {
    show(byId('pressed'), call.pressed > 0);
    const problem = call.phase !== 'ringing' && micProblems.includes(call.mic);
    show(byId('micNote'), problem);
    if (problem) write(byId('micNoteText'), this.#words.say('mic.' + call.mic));
    show(byId('micRetryBtn'), call.mic !== 'insecure');
    const lines = Object.entries(call.devices)
      .map(([device, state]) => `status.${device}.${state}`)
      .filter((key) => this.#words.has(key) && (call.phase !== 'ringing' || key.startsWith('status.camera')));
    const devices = byId('devices');
    show(devices, lines.length > 0);
    write(devices, lines.map((key) => this.#words.say(key)).join('\n'));
    Object.assign(this.#stage.dataset, {
      camera: call.devices.camera, microphone: call.devices.microphone, speaker: call.devices.speaker, button: call.devices.button,
    });
  }

  /** @param {Call} call */
  #renderRing(call) {
    const door = call.kind === 'door';
    write(byId('ringTitle'), this.#words.say(door ? 'ring.door' : 'ring.phone', { peer: call.peer }));
    write(byId('ringText'), door ? call.peer : '');
    byId('silenceBtn', HTMLButtonElement).disabled = call.silenced;
  }

  /** @param {Store} store */
  #bindVolume(store) {
    const picture = this.#picture;
    const slider = byId('volume', HTMLInputElement);
    const kept = store.get('volume');
    slider.value = String(typeof kept === 'number' ? kept : 100);
    show(byId('volumeBox'), picture.volumeWorks);
    const apply = () => { picture.volume = slider.valueAsNumber / 100; };
    apply();
    slider.addEventListener('input', () => {
      apply();
      store.set('volume', slider.valueAsNumber);
    });
  }
}

/** @param {Call} call */
function stateKey({ phase, link, answered, since }) {
  if (link === 'reconnecting') return 'call.reconnecting';
  if (phase === 'calling' && !since) return 'call.calling';
  if (link === 'new' && answered) return 'call.connecting';
  return phase === 'incall' ? 'call.incall' : 'call.live';
}

/** @param {Call} call */
function posterKey({ kind, devices, link, phase }) {
  if (kind === 'door') return devices.camera === 'none' || devices.camera === 'lost' ? 'picture.none' : 'picture.coming';
  if (phase === 'ringing' || phase === 'calling') return '';
  return link === 'connected' ? 'picture.none' : 'picture.coming';
}

/**
 * duration writes ms as minutes and seconds.
 * @param {number} ms
 */
function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
