// The messages of the wire, as signaling/PROTOCOL.md describes them, and the one place where a frame becomes a message.

/**
 * @typedef {{name: string, kind?: string}} Peer  somebody who is logged in; kind "door" or "phone"
 * @typedef {{urls: string | string[], username?: string, credential?: string}} IceServer
 *
 * @typedef {object} Message  one flat object; which fields are there depends on the type
 * @property {string} type
 * @property {string} [name]        the other one: to whom, on the way out; from whom, on the way in
 * @property {boolean} [success]    login reply
 * @property {RTCSessionDescriptionInit} [offer]
 * @property {RTCSessionDescriptionInit} [answer]
 * @property {RTCIceCandidateInit} [candidate]
 * @property {string} [call]        id of one ring or call
 * @property {boolean} [ring]       offer, press: the button was pressed, a person is asked for
 * @property {boolean} [preview]    answer: shows the picture, nobody has accepted yet
 * @property {string} [exchange]    offer: its own id; answer: the id of the offer that it answers
 * @property {boolean} [standby]    offer, answer: a connection to be kept ready
 * @property {string} [visit]       press with ring: the id of the visit
 * @property {string} [reason]      leave, refused login
 * @property {string} [by]          leave because answered: who has it
 * @property {string} [code]        error
 * @property {string} [about]       error: type of the message it is about
 * @property {string} [message]     error: text
 * @property {string} [credential]  login
 * @property {string} [kind]        login, presence
 * @property {boolean} [presence]   login
 * @property {boolean} [present]    presence: came or went
 * @property {Peer[]} [here]        login reply: who is here
 * @property {IceServer[]} [iceServers]
 * @property {string} [camera]      status: ok, lost, none
 * @property {string} [microphone]
 * @property {string} [speaker]
 * @property {string} [button]
 */

/** @type {Record<string, string>} */
const fieldTypes = {
  name: 'string', success: 'boolean', call: 'string', ring: 'boolean', preview: 'boolean', reason: 'string', by: 'string',
  exchange: 'string', standby: 'boolean', visit: 'string',
  code: 'string', about: 'string', message: 'string', credential: 'string', kind: 'string', presence: 'boolean',
  present: 'boolean', camera: 'string', microphone: 'string', speaker: 'string', button: 'string',
  offer: 'object', answer: 'object', candidate: 'object', here: 'array', iceServers: 'array',
};

/**
 * parse makes a message of a frame. It returns null for what isn't one: some relays greet with "Hello world". A field of the
 * wrong type is left out, so that nobody's odd client can trip the page.
 * @param {unknown} frame
 * @returns {Message | null}
 */
export function parse(frame) {
  if (typeof frame !== 'string') return null;
  let value;
  try {
    value = JSON.parse(frame);
  } catch {
    return null;
  }
  if (typeOf(value) !== 'object' || typeof value.type !== 'string') return null;
  /** @type {Record<string, unknown>} */
  const message = { type: value.type };
  for (const [field, type] of Object.entries(fieldTypes)) {
    if (typeOf(value[field]) === type) message[field] = value[field];
  }
  if (message.here) message.here = /** @type {unknown[]} */ (message.here).filter(isPeer);
  return /** @type {Message} */ (/** @type {unknown} */ (message));
}

/** @param {unknown} value */
function typeOf(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** @param {unknown} value */
function isPeer(value) {
  return typeOf(value) === 'object' && typeof /** @type {Peer} */ (value).name === 'string';
}
