// The HTTP voice: what the house says about who may come in, and how it is changed. It never touches the page.

/**
 * @typedef {'owner' | 'member' | 'guest'} Role
 * @typedef {{id: string, name: string, role: Role, until: number}} Me  this phone; until is ms since 1970, 0 for ever
 * @typedef {{door: string, open: boolean, version: string, me?: Me}} Settings  me is absent where anybody may log in
 * @typedef {{claimed: boolean, door: string, openid?: string}} Joining  openid names the provider, where there is one
 *
 * @typedef {object} HousePhone  times are ms since 1970
 * @property {string} id
 * @property {string} name
 * @property {Role} role
 * @property {number} until   0 for ever
 * @property {number} joined
 * @property {number} seen    last use, 0 for never
 * @property {boolean} here   connected now
 * @property {boolean} me
 *
 * @typedef {{id: string, role: Role, until: number, expires: number}} Invitation  not taken up yet
 * @typedef {Invitation & {words: string, link: string, qr: string}} NewInvitation  qr is a data URL of an SVG
 */

const answerWithin = 10_000; // ms

/** Refusal is a "no" of the house, or that it was not reached: code "offline" or "broken" then. */
export class Refusal extends Error {
  /**
   * @param {string} code  the house's own word, such as wrong-secret
   * @param {string} message  English
   * @param {number} retryAfter  seconds, 0 where nothing is said
   */
  constructor(code, message = code, retryAfter = 0) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/**
 * refusalOf returns what an error means to the person.
 * @param {unknown} error
 */
export function refusalOf(error) {
  return error instanceof Refusal ? error : new Refusal('broken', String(error));
}

/** House asks and tells the house. Each method fails with a Refusal. */
export class House {
  /** @type {typeof fetch} */ #fetch;

  /** @param {typeof fetch} [request] */
  constructor(request = globalThis.fetch) {
    this.#fetch = (input, init) => request(input, init);
  }

  /** @returns {Promise<Settings>} */
  async settings() {
    const told = await this.#ask('GET', 'settings.json');
    const { door, open, version, me } = told;
    return {
      door: typeof door === 'string' ? door : 'doorbell',
      open: open === true,
      version: typeof version === 'string' ? version : '',
      ...(typeof me?.name === 'string' && me.name && { me }),
    };
  }

  /** What a phone may know that doesn't belong to the house yet. @returns {Promise<Joining>} */
  async joining() {
    const { claimed, door, openid } = await this.#ask('GET', 'join.json');
    return { claimed: claimed !== false, door: String(door ?? ''), openid: typeof openid === 'string' ? openid : '' };
  }

  /**
   * join claims the house or takes an invitation up; from then on the browser has the session.
   * @param {string} secret  as normalise writes it
   * @param {string} name    of this phone
   * @returns {Promise<{name: string, role: Role}>}
   */
  join(secret, name) {
    return this.#ask('POST', 'join', { secret, name });
  }

  /** leave signs this phone out for good. */
  async leave() {
    await this.#ask('POST', 'leave', {});
  }

  /** @returns {Promise<{phones: HousePhone[], invitations: Invitation[]}>} */
  async phones() {
    const { phones, invitations } = await this.#ask('GET', 'phones.json');
    return { phones: Array.isArray(phones) ? phones : [], invitations: Array.isArray(invitations) ? invitations : [] };
  }

  /**
   * invite makes an invitation.
   * @param {Role} role
   * @param {number} until  a guest's date, ms since 1970
   * @returns {Promise<NewInvitation>}
   */
  async invite(role, until) {
    return this.#ask('POST', 'invitations', role === 'guest' ? { role, until } : { role });
  }

  /**
   * takeBack makes an invitation worthless.
   * @param {string} id
   */
  async takeBack(id) {
    await this.#ask('DELETE', 'invitations/' + encodeURIComponent(id));
  }

  /**
   * remove ends a phone's right.
   * @param {string} id
   */
  async remove(id) {
    await this.#ask('DELETE', 'phones/' + encodeURIComponent(id));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async #ask(method, path, body) {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), answerWithin);
    try {
      const response = await this.#fetch(path, {
        method,
        cache: 'no-store',
        credentials: 'same-origin',
        signal: patience.signal,
        ...(method !== 'GET' && { headers: { 'Content-Type': 'application/json' } }),
        ...(body && { body: JSON.stringify(body) }),
      });
      const told = await response.json().catch(() => null);
      if (!response.ok) throw refusal(response.status, told);
      return told ?? {};
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal('offline', String(error));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What a status means where the answer has no code of its own. @type {Record<number, string>} */
const codes = { 401: 'no-session', 403: 'not-owner', 404: 'not-found', 429: 'too-many-tries' };

/**
 * @param {number} status
 * @param {any} told
 */
function refusal(status, told) {
  const code = typeof told?.error === 'string' && told.error ? told.error : codes[status] ?? 'broken';
  const after = Number(told?.retryAfter);
  return new Refusal(code, typeof told?.message === 'string' ? told.message : `HTTP status ${status}`, after > 0 ? after : 0);
}
