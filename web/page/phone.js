// The phone: the one loop that owns the call. Everything that happens is posted to it as an event; the state decides; the
// effects are carried out here, with the socket, the media connection and the person's microphone.

import { Link } from './call.js';
import { newCallId, newCredential } from './ids.js';
import { ask } from './media.js';
import { Signaling } from './protocol.js';
import { initial, savedCall, step } from './state.js';

/**
 * @typedef {import('./turn.js').State} State
 * @typedef {import('./turn.js').Effect} Effect
 * @typedef {import('./store.js').Store} Store
 *
 * @typedef {object} Listener
 * @property {(state: State) => void} state     the state changed
 * @property {(sound: string) => void} sound    a short sound is due: "ring" or "again"
 * @property {(stream: MediaStream | null) => void} remote  what the other end sends
 * @property {(stream: MediaStream | null) => void} prepare what a door would send through a connection that is kept ready
 * @property {(stream: MediaStream | null) => void} local   the own camera
 */

const mostExchanges = 20;
const resumeWithin = 30_000; // ms after which a reloaded page doesn't take its call up again

/** Phone holds the state and does what it says. */
export class Phone {
  /** @type {Store} */ #store;
  /** @type {Store} */ #tab;
  /** The name that the house knows this phone by; '' where the person chooses one. */
  #me;
  /** @type {Listener} */ #listener;
  /** @type {Signaling} */ #signaling;

  /** @type {State} */ #state;
  /** @type {{type: string, [field: string]: any}[]} */ #events = [];
  #busy = false;
  #doubting = false;
  /** @type {() => Promise<boolean>} */ #gone;
  /** @type {Link | null} */ #link = null;
  /** The connections that are kept ready, by id. @type {Map<string, Link>} */ #ready = new Map();
  /** @type {MediaStreamTrack[]} */ #tracks = [];
  /** @type {Map<string, {id: string, handle: ReturnType<typeof setTimeout>}>} */ #timers = new Map();
  /** Id of the offer that was made last in the call: an answer to an older one would bring the wrong ICE credentials. */
  #exchange = '';
  /** The same of the newest offer that came, by call. @type {Map<string, string>} */ #exchanges = new Map();
  /** The call that a reload interrupted, until it is taken up. @type {any} */ #interrupted;

  /**
   * @param {object} options
   * @param {string} options.url     of the relay's WebSocket
   * @param {string} options.door    the door's name where the relay doesn't say who is here
   * @param {string} [options.me]    the name under which the browser's session lets this phone in; without, a person gives one
   * @param {() => Promise<boolean>} [options.gone]  asks whether that session has ended
   * @param {Store} options.store    what the browser remembers
   * @param {Store} options.tab      what survives a reload of this tab only
   * @param {Listener} options.listener
   */
  constructor({ url, door, me = '', gone = async () => false, store, tab, listener }) {
    this.#me = me;
    this.#gone = gone;
    this.#store = store;
    this.#tab = tab;
    this.#listener = listener;
    const missed = store.get('missed');
    const known = store.get('known');
    this.#state = initial({ door, missed: Array.isArray(missed) ? missed : [], known: Array.isArray(known) ? known : null });
    this.#signaling = new Signaling({
      url,
      session: me !== '',
      listener: {
        welcome: (message) => {
          this.post({ type: 'welcome', message });
          this.#resume();
        },
        refused: (reason, text, retrying) => this.post({ type: 'refused', reason, text, retrying }),
        down: () => this.post({ type: 'down' }),
        replaced: () => this.post({ type: 'replaced' }),
        revoked: () => this.post({ type: 'revoked' }),
        failed: () => void this.#doubt(),
        message: (message) => {
          if (this.#outdated(message)) return;
          if (message.type === 'offer') this.#noteExchange(message);
          this.post({ type: 'message', message, id: newCallId() });
        },
      },
    });
  }

  /** state is what is, for those who draw it. */
  get state() {
    return this.#state;
  }

  /** open logs in under the name that the house or the browser remembers, where there is one, and makes ready to take an interrupted call up again. */
  open() {
    const saved = this.#tab.get('call');
    if (saved && Date.now() - saved.at < resumeWithin) this.#interrupted = saved;
    const name = this.#me || this.#store.get('name');
    if (typeof name === 'string') this.post({ type: 'login', name, known: true });
  }

  /** leave is for the page's end, which may be a pause: what a reload needs is noted with the time, and the relay is left. */
  leave() {
    this.#save();
    this.#signaling.suspend();
  }

  /** wake looks after the connection, when the phone woke up or its network changed. */
  wake() {
    this.#signaling.nudge();
  }

  /**
   * post takes an event. An event that comes up while another is worked on waits for its end.
   * @param {{type: string, [field: string]: any}} event
   */
  post(event) {
    this.#events.push(event);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next; (next = this.#events.shift()); ) this.#take(next);
    } finally {
      this.#busy = false;
    }
  }

  /** @param {{type: string, [field: string]: any}} event */
  #take(event) {
    const before = this.#state;
    const { state, effects } = step(before, { id: newCallId(), at: Date.now(), ...event });
    this.#state = state;
    if (state !== before) this.#listener.state(state); // first: a new connection takes the browser longer than a ring
    for (const effect of effects) this.#effects[effect.do]?.(effect);
    if (state.missed !== before.missed) this.#store.set('missed', state.missed);
    if (state.known !== before.known) this.#store.set('known', state.known);
    if (state.call !== before.call) this.#save();
  }

  /** @type {Record<string, (effect: any) => void>} */
  #effects = {
    login: ({ name, known }) => this.#signaling.login(name, this.#me ? undefined : this.#credential(), known),
    logout: () => {
      if (!this.#me) this.#store.set('name', undefined);
      this.#signaling.logout();
    },
    remember: ({ name }) => {
      if (!this.#me) this.#store.set('name', name);
    },
    visits: () => void this.#visits(),
    send: ({ message }) => this.#signaling.send(message),
    open: (effect) => this.#open(effect),
    close: ({ id }) => this.#close(id),
    ready: (effect) => this.#makeReady(effect),
    unready: ({ id }) => {
      this.#ready.get(id)?.close();
      this.#ready.delete(id);
      this.#prepare();
    },
    offer: ({ id, restart, fresh }) => {
      this.#exchange = newCallId();
      const exchange = this.#exchange;
      this.#attempt(id, 'offer', this.#link?.offer({ restart, fresh }, (offer) => {
        this.#tell({ type: 'offer', offer, exchange });
        this.post({ type: 'offered', id });
      }));
    },
    answer: ({ id, offer, preview }) => {
      const exchange = this.#exchanges.get(id);
      this.#attempt(id, 'answer', this.#link?.answer(offer, (answer) => {
        this.#tell({ type: 'answer', answer, ...(preview && { preview }), ...(exchange && { exchange }) });
        this.post({ type: 'replied', id });
      }));
    },
    apply: ({ id, answer }) => this.#attempt(id, 'apply', this.#linkOf(id)?.apply(answer)),
    candidate: ({ id, candidate }) => this.#attempt(id, 'candidate', this.#linkOf(id)?.candidate(candidate)),
    ask: ({ id, camera }) => void this.#ask(id, camera),
    mute: ({ muted }) => {
      for (const track of this.#tracks) if (track.kind === 'audio') track.enabled = !muted;
    },
    sound: ({ sound }) => this.#listener.sound(sound),
    timer: ({ timer, id, ms }) => this.#startTimer(timer, id, ms),
    untimer: ({ timer }) => this.#stopTimer(timer),
  };

  /** visits asks the door's book for what this phone has missed. A relay without a door has none. */
  async #visits() {
    try {
      const response = await fetch('missed.json');
      const visits = response.ok ? await response.json() : null;
      if (Array.isArray(visits)) this.post({ type: 'visits', visits });
    } catch (error) {
      console.debug('the book of visits was not read', error); // the next log-in asks again
    }
  }

  /** doubt finds out whether the relay can't be reached or won't have this phone: a socket that isn't let in does not say why. */
  async #doubt() {
    if (!this.#me || this.#doubting) return;
    this.#doubting = true;
    const gone = await this.#gone();
    this.#doubting = false;
    if (gone && this.#state.connection !== 'online') this.post({ type: 'revoked' });
  }

  /** credential proves to the relay that this browser is the one that had the name before. */
  #credential() {
    let credential = this.#store.get('credential');
    if (typeof credential !== 'string' || !credential) {
      credential = newCredential();
      this.#store.set('credential', credential);
    }
    return credential;
  }

  /**
   * tell sends a message of the media connection to the other end of the call.
   * @param {import('./messages.js').Message} message
   */
  #tell(message) {
    const call = this.#state.call;
    if (call) this.#signaling.send({ ...message, name: call.peer, ...(call.tagged && { call: call.id }) });
  }

  /** @param {import('./messages.js').Message} message */
  #outdated({ type, call, exchange }) {
    return type === 'answer' && Boolean(exchange) && call === this.#state.call?.id && exchange !== this.#exchange;
  }

  /** @param {import('./messages.js').Message} message */
  #noteExchange({ call = '', exchange }) {
    this.#exchanges.delete(call);
    if (exchange) this.#exchanges.set(call, exchange);
    if (this.#exchanges.size > mostExchanges) this.#exchanges.delete(/** @type {string} */ (this.#exchanges.keys().next().value));
  }

  /** @param {{id: string, kind: 'door' | 'phone', iceServers: RTCIceServer[]}} effect */
  #open({ id, kind, iceServers }) {
    const ready = this.#ready.get(id);
    if (ready) {
      this.#ready.delete(id);
      this.#link = ready;
      if (ready.stream) this.#listener.remote(ready.stream);
      return;
    }
    const current = () => this.#state.call?.id === id;
    try {
      this.#link = new Link({
        kind,
        iceServers,
        listener: {
          candidate: (candidate) => current() && this.#tell({ type: 'candidate', candidate }),
          link: (link) => this.post({ type: 'link', id, link }),
          stream: (stream) => current() && this.#listener.remote(stream),
        },
      });
    } catch (error) {
      this.#broke(id, 'open', error);
    }
  }

  /**
   * makeReady makes a connection to a door that is kept ready.
   * @param {{id: string, peer: string, iceServers: RTCIceServer[]}} effect
   */
  #makeReady({ id, peer, iceServers }) {
    /** @param {import('./messages.js').Message} message */
    const tell = (message) => this.#signaling.send({ ...message, name: peer, call: id });
    try {
      const link = new Link({
        kind: 'door',
        iceServers,
        listener: {
          candidate: (candidate) => tell({ type: 'candidate', candidate }),
          link: (now) => this.post({ type: 'link', id, link: now }),
          stream: (stream) => {
            if (this.#state.call?.id === id) this.#listener.remote(stream);
            else this.#prepare();
          },
        },
      });
      this.#ready.set(id, link);
      this.#attempt(id, 'ready', link.offer({ restart: false, fresh: false }, (offer) => tell({ type: 'offer', offer, standby: true })));
    } catch (error) {
      this.#broke(id, 'ready', error);
    }
  }

  /** Has the page make ready for the picture of the first of them: the one that comes before that is done is not shown. */
  #prepare() {
    if (!this.#link) this.#listener.prepare([...this.#ready.values()].find(({ stream }) => stream)?.stream ?? null);
  }

  /** @param {string} id */
  #linkOf(id) {
    return this.#ready.get(id) ?? this.#link;
  }

  /** @param {string} id */
  #close(id) {
    this.#link?.close();
    this.#link = null;
    for (const track of this.#tracks.splice(0)) track.stop();
    for (const [timer, { id: of }] of this.#timers) if (of === id) this.#stopTimer(timer);
    this.#listener.remote(null);
    this.#listener.local(null);
  }

  /**
   * attempt watches a step of the media connection.
   * @param {string} id
   * @param {string} what
   * @param {Promise<void> | undefined} promise
   */
  #attempt(id, what, promise) {
    promise?.catch((error) => this.#broke(id, what, error));
  }

  /**
   * @param {string} id
   * @param {string} what
   * @param {unknown} error
   */
  #broke(id, what, error) {
    console.warn(`call ${id}: ${what} failed`, error);
    this.post({ type: 'broke', id, what });
  }

  /**
   * ask gets microphone and camera and puts them into the call, if it is still the one.
   * @param {string} id
   * @param {boolean} camera
   */
  async #ask(id, camera) {
    const { audio, video, mic } = await ask({ camera });
    const link = this.#link;
    if (this.#state.call?.id !== id || !link) {
      audio?.stop();
      video?.stop();
      return;
    }
    for (const track of this.#tracks.splice(0)) track.stop();
    this.#tracks = [audio, video].filter((track) => track !== null);
    audio?.addEventListener('ended', () => {
      if (this.#tracks.includes(audio)) this.post({ type: 'miclost', id });
    });
    this.#attempt(id, 'use', link.use({ audio, video }));
    this.#listener.local(video && new MediaStream([video]));
    this.post({ type: 'asked', id, mic, seen: video !== null });
  }

  /**
   * @param {string} timer
   * @param {string} id
   * @param {number} ms
   */
  #startTimer(timer, id, ms) {
    this.#stopTimer(timer);
    const handle = setTimeout(() => {
      this.#timers.delete(timer);
      this.post({ type: 'timer', timer, id, fresh: newCallId() });
    }, ms);
    this.#timers.set(timer, { id, handle });
  }

  /** @param {string} timer */
  #stopTimer(timer) {
    clearTimeout(this.#timers.get(timer)?.handle);
    this.#timers.delete(timer);
  }

  #save() {
    if (this.#interrupted) return;
    const saved = savedCall(this.#state);
    this.#tab.set('call', saved && { ...saved, at: Date.now() });
  }

  #resume() {
    const saved = this.#interrupted;
    this.#interrupted = undefined;
    if (saved && Date.now() - saved.at < resumeWithin) this.post({ type: 'resume', saved });
  }
}
