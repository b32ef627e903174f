// The signaling voice: one WebSocket to the relay, logged in and kept. It never touches the page.

import { Backoff } from './backoff.js';
import { parse } from './messages.js';

/** @typedef {import('./messages.js').Message} Message */

/** Close code of a relay that gave this name to a newer connection of the same client. */
export const closeReplaced = 4001;

/** Close code of a relay that ended this phone's right: revoked, or a guest's date passed. */
export const closeRevoked = 4003;

const connectTimeout = 10_000; // ms for opening and logging in
const probeTimeout = 3_000; // ms for any frame after a probe

/** Refusals that waiting may cure; the others are the person's to solve. */
const passing = new Set(['full', 'busy']);

/**
 * @typedef {object} Listener  what the signaling tells; called in order, never from inside a method of Signaling but by its events
 * @property {(reply: Message) => void} welcome    logged in: the relay's reply
 * @property {(reason: string, text: string, retrying: boolean) => void} refused
 * @property {() => void} down                     the connection was lost; it reconnects by itself
 * @property {() => void} replaced                 the name was taken over by another window; it does not reconnect
 * @property {() => void} revoked                  this phone's right has ended; it does not reconnect
 * @property {() => void} failed                   the relay was not reached, or did not let the socket in; it tries again
 * @property {(message: Message) => void} message  everything else
 */

/** Signaling logs in under a name and stays so, reconnecting for ever, until logout, a refusal, a replacement or revocation. */
export class Signaling {
  /** @type {string} */ #url;
  /** @type {Listener} */ #listener;
  /** @type {typeof WebSocket} */ #WebSocket;
  /** @type {Backoff} */ #backoff;
  /** @type {boolean} */ #session;

  /** @type {{name: string, credential?: string} | null} */ #login = null;
  /** @type {WebSocket | null} */ #socket = null;
  #online = false;
  /** Whether this name was let in before. */
  #known = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #patience;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {Listener} options.listener
   * @param {boolean} [options.session]  the browser's session is the phone's right and name, so that no person can cure a refusal
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {() => number} [options.random]
   */
  constructor({ url, listener, session = false, WebSocket: Socket = globalThis.WebSocket, random = Math.random }) {
    this.#url = url;
    this.#session = session;
    this.#listener = listener;
    this.#WebSocket = Socket;
    this.#backoff = new Backoff(random);
  }

  /** online tells whether messages can be sent now. */
  get online() {
    return this.#online;
  }

  /**
   * login connects and logs in; a connection under another name is ended first.
   * @param {string} name
   * @param {string | undefined} credential  proves later that the same client returns; a session needs none
   * @param {boolean} known  whether this name was let in before, in an earlier life of the page
   */
  login(name, credential, known = false) {
    this.logout();
    this.#login = { name, credential };
    this.#known = known;
    this.#connect();
  }

  /** logout ends the connection and stays away. */
  logout() {
    this.#login = null;
    this.#known = false;
    this.#backoff.reset();
    clearTimeout(this.#retry);
    this.#drop(1000);
  }

  /**
   * send sends a message, or returns false where there is no connection.
   * @param {Message} message
   */
  send(message) {
    if (!this.#online || !this.#socket) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /**
   * nudge looks after the connection now: the phone woke up, or its network changed. A waiting reconnect is made at once; a
   * connection that seems to stand is tried, since after sleep it may be dead without anybody having said so.
   */
  nudge() {
    if (!this.#login) return;
    if (!this.#socket) {
      clearTimeout(this.#retry);
      this.#connect();
    } else if (this.#online) {
      // Any relay answers an unknown type with an error message; the answer is the sign of life.
      this.#socket.send('{"type":"ping"}');
      this.#expect(probeTimeout);
    }
  }

  /**
   * suspend ends the connection until the next nudge: a page that was left may be kept alive by the browser, frozen, and would
   * seem to be here while it can't ring.
   */
  suspend() {
    const wasOnline = this.#online;
    clearTimeout(this.#retry);
    this.#drop(1000);
    if (wasOnline) this.#listener.down();
  }

  #connect() {
    const login = this.#login;
    if (!login) return;
    /** @type {WebSocket} */
    let socket;
    try {
      socket = new this.#WebSocket(this.#url);
    } catch {
      this.#again();
      return;
    }
    this.#socket = socket;
    this.#expect(connectTimeout);
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: 'login', ...login, kind: 'phone', presence: true }));
    };
    socket.onmessage = (event) => this.#frame(socket, event.data);
    socket.onclose = (event) => this.#closed(socket, event.code);
  }

  /**
   * expect drops the connection unless a frame comes within ms.
   * @param {number} ms
   */
  #expect(ms) {
    clearTimeout(this.#patience);
    const socket = this.#socket;
    this.#patience = setTimeout(() => {
      if (socket && socket === this.#socket) this.#lost();
    }, ms);
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #frame(socket, data) {
    if (socket !== this.#socket) return;
    if (this.#online) clearTimeout(this.#patience);
    const message = parse(data);
    if (!message) return;
    if (message.type === 'login') this.#loginReply(message);
    else this.#listener.message(message);
  }

  /** @param {Message} reply */
  #loginReply(reply) {
    clearTimeout(this.#patience);
    if (reply.success === false) {
      this.#refused(reply);
      return;
    }
    this.#online = true;
    this.#known = true;
    this.#backoff.reset();
    this.#listener.welcome(reply);
  }

  /**
   * A base relay, which gives no reason, may still hold our own lost connection and call the name taken: that is waited for.
   * @param {Message} reply
   */
  #refused(reply) {
    const reason = reply.reason || 'taken';
    if (this.#session && reason === 'denied') {
      this.#ended();
      return;
    }
    const retrying = this.#session || passing.has(reason) || (!reply.reason && this.#known);
    this.#drop(1000);
    if (retrying) this.#again();
    else this.#login = null;
    this.#listener.refused(reason, reply.message ?? '', retrying);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  #closed(socket, code) {
    if (socket !== this.#socket) return;
    if (code === closeRevoked) {
      this.#ended();
      return;
    }
    if (code !== closeReplaced) {
      this.#lost();
      return;
    }
    this.#drop(1000);
    this.#login = null;
    this.#listener.replaced();
  }

  #ended() {
    this.#drop(1000);
    this.#login = null;
    this.#listener.revoked();
  }

  #lost() {
    const wasOnline = this.#online;
    this.#drop(1000);
    this.#again();
    if (wasOnline) this.#listener.down();
    else this.#listener.failed();
  }

  #again() {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), this.#backoff.next());
  }

  /**
   * drop forgets the socket: from here on nothing that it says counts.
   * @param {number} code
   */
  #drop(code) {
    clearTimeout(this.#patience);
    const socket = this.#socket;
    this.#socket = null;
    this.#online = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }
}
