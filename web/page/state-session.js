// Logging in, the connection to the relay, and who is here.

import { returned } from './state-link.js';
import { leaveReady } from './state-standby.js';

const aVisit = 150_000; // ms, longer than it ever rings: what this phone noted of a visit is no older

/**
 * @typedef {import('./turn.js').Turn} Turn
 * @typedef {import('./turn.js').Event} Event
 * @type {Record<string, (t: Turn, event: Event) => void>}
 */
export const session = {
  /** A person, or the remembered name, logs in. */
  login(t, { name, known }) {
    const me = String(name).normalize('NFC').trim();
    if (!me) return;
    t.set({ me, session: 'joining', refused: null, connection: 'offline' });
    t.do({ do: 'login', name: me, known: Boolean(known) });
  },

  /** A person wants another name. */
  logout(t) {
    if (t.call) {
      t.tell({ type: 'leave', reason: 'hangup' });
      t.end();
    }
    t.set({ session: 'out', connection: 'offline', peers: null, waiting: null, notice: null });
    t.do({ do: 'logout' });
  },

  /** The relay let us in, for the first time or again. */
  welcome(t, { message }) {
    const me = message.name || t.state.me;
    leaveReady(t);
    t.set({
      cold: [],
      standbyDue: false,
      me,
      session: 'in',
      refused: null,
      connection: 'online',
      peers: message.here ? others(message.here, me) : null,
      iceServers: message.iceServers ?? [],
    });
    t.do({ do: 'remember', name: me }, { do: 'visits' });
    returned(t);
  },

  /** What the door's book says of visits that nobody took, newest first: those while this phone was away are told. */
  visits(t, { visits }) {
    const { known, missed, door } = t.state;
    /** @type {(visit: {id: string, pressed: number}) => boolean} */
    const told = ({ id, pressed }) => !known || known.includes(id) || missed.some(({ at }) => at >= pressed && at - pressed < aVisit);
    for (const visit of visits.filter((/** @type {any} */ visit) => !told(visit)).reverse()) t.missed(door, 'door', visit.pressed);
    t.know(...visits.map((/** @type {{id: string}} */ { id }) => id));
  },

  /** The relay did not let us in. */
  refused(t, { reason, text, retrying }) {
    t.set({ refused: { reason, text } });
    if (retrying) return;
    if (t.call) t.end('end.failed');
    t.set({ session: 'out', connection: 'offline', waiting: null });
  },

  /** The connection to the relay broke. A call goes on: its media take another way. */
  down(t) {
    t.set({ connection: 'offline' });
    leaveReady(t);
    t.change({ pending: false });
  },

  /** Another window took over the name, and with it the right to speak about the call. */
  replaced(t) {
    if (t.call) t.end();
    t.set({ connection: 'replaced', waiting: null });
  },

  /** This phone's right has ended: it was removed, or a guest's date passed. */
  revoked(t) {
    if (t.call) t.end();
    t.set({ session: 'revoked', refused: null, connection: 'offline', peers: null, waiting: null, notice: null });
    t.do({ do: 'logout' });
  },

  /** The person wants this window to be the one. */
  usehere(t) {
    t.set({ connection: 'offline' });
    t.do({ do: 'login', name: t.state.me, known: true });
  },

  /** Somebody came or went. */
  presence(t, { message }) {
    const { name, kind = 'phone', present } = message;
    if (!name || name === t.state.me) return;
    const before = t.state.peers ?? [];
    const was = before.some((peer) => peer.name === name);
    const rest = before.filter((peer) => peer.name !== name);
    t.set({ peers: present ? others([...rest, { name, kind }], t.state.me) : rest });
    if (present && kind === 'door') t.set({ standbyDue: false }); // it has just started, say: not to be waited for
    if (present && !was && t.call?.peer === name) returned(t);
  },
};

/**
 * @param {import('./turn.js').Peer[]} peers
 * @param {string} me
 */
function others(peers, me) {
  return peers
    .filter((peer) => peer.name !== me)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
