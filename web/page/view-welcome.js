// The view of the welcome page: how this device comes to trust the doorbell, and the others below.

import { byId, element, icon, show, write } from './dom.js';
import { draw } from './drawing.js';
import { names, steps } from './steps.js';

/**
 * @typedef {import('./system.js').System} System
 * @typedef {import('./steps.js').Step} Step
 * @typedef {import('./i18n.js').Words} Words
 */

/** WelcomeView shows the steps and what the check for trust found. */
export class WelcomeView {
  #root = document.documentElement.dataset;
  /** @type {Words} */ #words;
  #fingerprint = '';

  /** @param {Words} words */
  constructor(words) {
    this.#words = words;
  }

  /**
   * guide shows the steps of this device's system, those of the others folded below.
   * @param {System} system
   * @param {boolean} elsewhere  iOS in a browser other than Safari
   */
  guide(system, elsewhere) {
    this.#root.system = system;
    write(byId('guideTitle'), this.#words.say('system.' + system));
    show(byId('safariHint'), elsewhere);
    byId('steps').replaceChildren(...this.#steps(system));
    const others = /** @type {System[]} */ (Object.keys(steps)).filter((other) => other !== system);
    byId('others').replaceChildren(...others.map((other) => this.#other(other)));
  }

  /**
   * trust shows what the house says of its certificate.
   * @param {string} fingerprint
   * @param {string} anyway  address of the site, for those who know what they do
   */
  trust(fingerprint, anyway) {
    this.#fingerprint = fingerprint;
    for (const shown of document.querySelectorAll('.fingerprint')) this.#fill(shown);
    const link = byId('anywayLink', HTMLAnchorElement);
    if (anyway) link.href = anyway;
    show(link, anyway !== '');
  }

  /**
   * found shows whether this device trusts.
   * @param {'checking' | 'no' | 'yes' | 'offline'} trust
   */
  found(trust) {
    this.#root.trust = trust === 'offline' ? 'checking' : trust;
    write(byId('trustState'), this.#words.say('welcome.' + trust));
  }

  /** @param {System} system */
  #other(system) {
    const made = element('details', 'panel', element('summary', '', this.#words.say('system.' + system)));
    made.dataset.system = system;
    made.addEventListener('toggle', () => {
      if (made.open && !made.querySelector('ol')) made.append(element('ol', 'steps', ...this.#steps(system)));
    });
    return made;
  }

  /** @param {System} system */
  #steps(system) {
    return steps[system].map((step) => this.#step(step));
  }

  /** @param {Step} step */
  #step({ text, load, compare, picture }) {
    const item = element('li', '', element('p', '', ...this.#sentence(text)));
    if (load) item.append(this.#download(load));
    if (compare) {
      const shown = element('code', 'fingerprint');
      this.#fill(shown);
      item.append(shown);
    }
    if (picture) item.append(draw(picture, (key) => names[key] ?? this.#words.say(key)));
    return item;
  }

  /**
   * sentence writes a text with the systems' own words in bold, and what is to be typed as code.
   * @param {string} key
   */
  #sentence(key) {
    return this.#words.say(key).split(/\{(\w+)\}/).map((part, i) => {
      if (i % 2 === 0) return part;
      return names[part] ? element('code', part, names[part]) : element('strong', '', this.#words.say('term.' + part));
    });
  }

  /** @param {'profile' | 'certificate'} load */
  #download(load) {
    const link = element('a', 'button primary', icon('download'), this.#words.say('welcome.' + load));
    link.href = load === 'profile' ? 'doorbell.mobileconfig' : 'doorbell.crt';
    link.dataset.load = load;
    return link;
  }

  /**
   * The fingerprint in groups of four bytes, which are easier to compare; a screen reader spells the same.
   * @param {Element} shown
   */
  #fill(shown) {
    const groups = this.#fingerprint.match(/(?:[0-9A-F]{2}:?){1,4}/gi) ?? [];
    shown.replaceChildren(...groups.map((group) => element('span', '', group.replace(/:$/, ''))));
  }
}
