// What the phone knows, and the helpers with which the state's handlers change it. All of it is pure: no clock, no socket, no
// page. Times come in with the events (ms since 1970), and everything to be done goes out as effects.

/**
 * @typedef {import('./messages.js').Message} Message
 * @typedef {import('./messages.js').Peer} Peer
 * @typedef {import('./messages.js').IceServer} IceServer
 *
 * @typedef {'ringing' | 'calling' | 'viewing' | 'incall'} Phase
 * @typedef {'off' | 'asking' | 'on' | 'muted' | 'refused' | 'missing' | 'busy' | 'insecure' | 'lost'} Microphone
 *
 * @typedef {object} Call
 * @property {string} id
 * @property {boolean} tagged    the other end knows the id; a base client's offer has none
 * @property {string} peer
 * @property {'door' | 'phone'} kind  what the peer is
 * @property {boolean} mine      this phone made the first offer
 * @property {Phase} phase
 * @property {Phase | null} over  the phase under a ring that came into a live view
 * @property {boolean} taken     a person took the door's ring here
 * @property {boolean} owed      an accept could not be sent yet
 * @property {Phase | null} resumed  the phase before the page was reloaded
 * @property {boolean} wantsMic  the microphone was open before the page was reloaded
 * @property {RTCSessionDescriptionInit | null} offer  a phone's offer that is answered when a person accepts
 * @property {boolean} answered  offer and answer have been exchanged once
 * @property {boolean} replied   the answer to the other end's offer has gone out, or its answer has come
 * @property {boolean} pending   an offer of this phone waits for its answer
 * @property {boolean} warm      its connection was kept ready before
 * @property {'new' | 'connected' | 'reconnecting'} link  the media connection
 * @property {Microphone} mic
 * @property {boolean} seen      the camera is sent
 * @property {{camera: string, microphone: string, speaker: string, button: string}} devices  of the door
 * @property {number} pressed    when the button was pressed during the call, while that is shown; 0 otherwise
 * @property {boolean} silenced  the person made the tone stop
 * @property {number} since      when the media first connected, 0 before
 *
 * @typedef {{peer: string, message: Message, candidates: RTCIceCandidateInit[]}} Waiting  a door's ring during another call
 * @typedef {{key: string, peer: string, by?: string, again?: {peer: string, kind: 'door' | 'phone'}}} Notice
 * @typedef {{peer: string, kind: 'door' | 'phone', at: number}} Missed
 * @typedef {{id: string, peer: string, answered: boolean, link: 'new' | 'connected'}} Standby
 *
 * @typedef {object} State
 * @property {string} me
 * @property {'out' | 'joining' | 'in' | 'revoked'} session  revoked: the right to use the doorbell has ended
 * @property {{reason: string, text: string} | null} refused
 * @property {'offline' | 'online' | 'replaced'} connection
 * @property {Peer[] | null} peers  the others here; null where the relay doesn't say
 * @property {IceServer[]} iceServers
 * @property {string} door          the door's name where the relay doesn't say who is here
 * @property {Call | null} call
 * @property {Waiting | null} waiting
 * @property {Notice | null} notice
 * @property {Standby[]} standby    the connections to doors that are kept ready
 * @property {boolean} standbyDue   a timer runs, after which those that are missing are made
 * @property {string[]} cold        doors that keep none ready
 * @property {Missed[]} missed
 * @property {string[] | null} known  ids of the visits that this phone knows of; null before it has seen the door's book
 *
 * @typedef {{type: string, at: number, [field: string]: any}} Event
 * @typedef {{do: string, [field: string]: any}} Effect
 */

/** Waiting times in ms. */
export const times = {
  doorAnswer: 15_000, // a door answers by itself
  phoneAnswer: 45_000, // a person must
  ring: 120_000, // safety net: the door ends a ring long before
  settle: 2_000, // a broken connection often heals by itself
  restart: 5_000, // between attempts to reconnect
  giveUp: 30_000, // reconnecting in all
  pressed: 6_000, // showing that the button was pressed again
  standby: 300, // before a connection is made that is to be kept ready: what is more urgent goes first
  standbyAgain: 10_000, // before it is tried again
};

const mostMissed = 20;
const mostKnown = 200; // visits; the door's book has no more

/** Turn is one event's work: the state as it becomes, and what is to be done. */
export class Turn {
  /** @type {State} */ state;
  /** @type {Effect[]} */ effects = [];

  /** @param {State} state */
  constructor(state) {
    this.state = state;
  }

  /** @param {Partial<State>} patch */
  set(patch) {
    this.state = { ...this.state, ...patch };
  }

  /** call returns the call as it is now. */
  get call() {
    return this.state.call;
  }

  /**
   * change changes the call, where there is one.
   * @param {Partial<Call>} patch
   */
  change(patch) {
    if (this.state.call) this.set({ call: { ...this.state.call, ...patch } });
  }

  /** @param {Effect[]} effects */
  do(...effects) {
    this.effects.push(...effects);
  }

  get online() {
    return this.state.connection === 'online';
  }

  /**
   * tell sends a message about the call to its other end; false while offline.
   * @param {Omit<Message, 'name' | 'call'>} message
   */
  tell(message) {
    const call = this.call;
    if (!call || !this.online) return false;
    this.do({ do: 'send', message: { ...message, name: call.peer, ...(call.tagged && { call: call.id }) } });
    return true;
  }

  /**
   * timer starts a timer of the call, or starts it anew.
   * @param {string} timer
   * @param {number} ms
   */
  timer(timer, ms) {
    if (this.call) this.do({ do: 'timer', timer, id: this.call.id, ms });
  }

  /**
   * untimer stops timers.
   * @param {string[]} timers
   */
  untimer(...timers) {
    for (const timer of timers) this.do({ do: 'untimer', timer });
  }

  /**
   * begin makes a call the current one.
   * @param {Pick<Call, 'id' | 'peer' | 'kind' | 'mine' | 'phase'> & Partial<Call>} call
   */
  begin(call) {
    this.set({
      notice: null,
      call: {
        tagged: true, over: null, taken: false, owed: false, resumed: null, wantsMic: false, offer: null, answered: false,
        replied: false, pending: false, warm: false, link: 'new', mic: 'off', seen: false, pressed: 0, silenced: false, since: 0,
        devices: { camera: 'ok', microphone: 'ok', speaker: 'ok', button: 'ok' },
        ...call,
      },
    });
    this.do({ do: 'open', id: call.id, kind: call.kind, iceServers: this.state.iceServers });
  }

  /**
   * end ends the call here; the other end has been told by then. Key names what the person reads about it.
   * @param {string} [key]
   * @param {{by?: string, again?: boolean}} [more]
   */
  end(key, { by, again } = {}) {
    const call = this.call;
    if (!call) return;
    this.do({ do: 'close', id: call.id });
    this.set({ call: null });
    if (!key) return;
    const { peer, kind } = call;
    this.set({ notice: { key, peer, by, again: again ? { peer, kind } : undefined } });
  }

  /**
   * @param {string} peer
   * @param {'door' | 'phone'} kind
   * @param {number} at
   */
  missed(peer, kind, at) {
    this.set({ missed: [{ peer, kind, at }, ...this.state.missed].slice(0, mostMissed) });
  }

  /**
   * know notes visits that need not be told again.
   * @param {string[]} ids  newest first
   */
  know(...ids) {
    this.set({ known: [...new Set([...ids, ...(this.state.known ?? [])])].slice(0, mostKnown) });
  }

  /**
   * ask asks the person's browser for the microphone, and for the camera too in calls between phones.
   */
  ask() {
    if (!this.call) return;
    this.change({ mic: 'asking' });
    this.do({ do: 'ask', id: this.call.id, camera: this.call.kind === 'phone' });
  }

  /** offer makes the first offer of a call. */
  offer() {
    const call = this.call;
    if (!call) return;
    this.change({ pending: true });
    this.do({ do: 'offer', id: call.id, restart: false, fresh: false });
    this.timer('answer', call.resumed ? times.giveUp : call.kind === 'door' ? times.doorAnswer : times.phoneAnswer);
  }

  /**
   * reoffer renews the connection of the call with an offer under the same id: to the door this phone always does it, between
   * phones whoever called first. Fresh gives up the old connection altogether, for when renewing didn't help.
   * @param {boolean} [fresh]
   */
  reoffer(fresh = false) {
    const call = this.call;
    if (!call || !this.online || (call.pending && !fresh)) return;
    if (call.kind !== 'door' && !call.mine) return;
    const first = !call.answered && call.phase === 'calling' && call.mic !== 'asking';
    if (!call.answered && !first) return;
    this.change({ pending: true });
    this.do({ do: 'offer', id: call.id, restart: true, fresh });
    if (call.answered) this.timer('restart', times.restart);
  }

  /**
   * kindOf says whether a name is a door's or a phone's.
   * @param {string} name
   * @returns {'door' | 'phone'}
   */
  kindOf(name) {
    const kind = this.state.peers?.find((peer) => peer.name === name)?.kind;
    if (kind) return kind === 'door' ? 'door' : 'phone';
    return name === this.state.door ? 'door' : 'phone';
  }
}

/**
 * concerns tells whether a message is about the call: it may leave out the name or the id, but what it says must be right.
 * @param {{peer: string, id: string}} call
 * @param {Message} message
 */
export function concerns(call, message) {
  return (!message.name || message.name === call.peer) && (!message.call || message.call === call.id);
}
