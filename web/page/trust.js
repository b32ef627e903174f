// Does this device trust the house's certificate? Asked by simply trying: a browser answers a request to a site that it doesn't
// trust with nothing but a failure. It never touches the page.

const within = 4_000; // ms for one try; a name that nobody knows can take long to fail
const every = 3_000; // ms between tries
const longest = 15 * 60_000; // ms of trying without a sign of the person

/**
 * @typedef {object} Trust  what the house says of its certificate
 * @property {string} door
 * @property {string} fingerprint  SHA-256 of the authority's certificate, AB:CD:…
 * @property {string[]} sites      https origins, the best first
 */

/**
 * askTrust asks the house for its fingerprint and its sites. What is no https address is left out.
 * @param {typeof fetch} [request]
 * @returns {Promise<Trust>}
 */
export async function askTrust(request = globalThis.fetch) {
  const response = await request('trust.json', { cache: 'no-store' });
  if (!response.ok) throw new Error(`trust.json: HTTP status ${response.status}`);
  const { door, fingerprint, sites } = await response.json();
  return {
    door: typeof door === 'string' ? door : '',
    fingerprint: typeof fingerprint === 'string' ? fingerprint : '',
    sites: (Array.isArray(sites) ? sites : []).map(origin).filter((site) => site !== ''),
  };
}

/** @param {unknown} site */
function origin(site) {
  try {
    const url = new URL(String(site));
    return url.protocol === 'https:' ? url.origin : '';
  } catch {
    return '';
  }
}

/**
 * firstTrusted tries all sites at once and returns the first of the order, not of the clock, that this device trusts; '' for none.
 * @param {readonly string[]} sites
 * @param {typeof fetch} [request]
 */
export async function firstTrusted(sites, request = globalThis.fetch) {
  const tries = sites.map((site) => trusted(site, request));
  for (const [i, site] of sites.entries()) if (await tries[i]) return site;
  return '';
}

/**
 * @param {string} site
 * @param {typeof fetch} request
 */
async function trusted(site, request) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), within);
  try {
    const response = await request(site + '/trusted', { mode: 'cors', cache: 'no-store', credentials: 'omit', signal: patience.signal });
    return response.ok;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * destination is where a device goes that trusts: with an invitation in the fragment to where it is taken up.
 * @param {string} site
 * @param {string} hash
 */
export function destination(site, hash) {
  return hash.length > 1 ? site + '/join' + hash : site + '/';
}

/** TrustWatch tries again and again until the device trusts, every few seconds, and at once when it is told to look. */
export class TrustWatch {
  /** @type {readonly string[]} */ #sites;
  /** @type {(site: string) => void} */ #told;
  /** @type {() => boolean} */ #visible;
  /** @type {typeof fetch} */ #fetch;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #trying = false;
  #over = false;
  #until = 0;

  /**
   * @param {object} options
   * @param {readonly string[]} options.sites     the best first
   * @param {(site: string) => void} options.told  after each try: the site that is trusted, '' for none; after a site it ends
   * @param {() => boolean} [options.visible]     whether anybody may be looking; it pauses else
   * @param {typeof fetch} [options.request]
   */
  constructor({ sites, told, visible = () => true, request = globalThis.fetch }) {
    this.#sites = sites;
    this.#told = told;
    this.#visible = visible;
    this.#fetch = (input, init) => request(input, init);
  }

  /** look tries now, and goes on trying for a quarter of an hour: the page was opened, or the person came back to it. */
  look() {
    this.#until = Date.now() + longest;
    void this.#try();
  }

  /** end stops trying. */
  end() {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  async #try() {
    if (this.#trying || this.#over) return;
    clearTimeout(this.#timer);
    this.#trying = true;
    const site = await firstTrusted(this.#sites, this.#fetch);
    this.#trying = false;
    if (this.#over) return;
    this.#over = site !== '';
    this.#told(site);
    if (!this.#over && this.#visible() && Date.now() < this.#until) this.#timer = setTimeout(() => void this.#try(), every);
  }
}
