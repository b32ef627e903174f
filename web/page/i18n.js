// The page's words in the person's language.

import { de } from './lang/de.js';
import { en } from './lang/en.js';
import { es } from './lang/es.js';
import { fr } from './lang/fr.js';
import { it } from './lang/it.js';

/** @typedef {keyof typeof en} Key */

/** The tables by language; all have the same keys. @type {Record<string, Record<Key, string>>} */
export const tables = { en, de, it, fr, es };

/**
 * choose returns the first of the person's languages that there is a table for, else English.
 * @param {readonly string[]} languages  as navigator.languages has them: "de-AT", "en"
 */
export function choose(languages) {
  for (const language of languages) {
    const [base] = language.toLowerCase().split('-');
    if (Object.keys(tables).includes(base)) return base;
  }
  return 'en';
}

/** Units of the time gone by, in seconds. @type {[Intl.RelativeTimeFormatUnit, number][]} */
const units = [['year', 31_536_000], ['month', 2_592_000], ['week', 604_800], ['day', 86_400], ['hour', 3_600], ['minute', 60]];

/**
 * countdown writes a time that is left: 14:05.
 * @param {number} ms
 */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Words says things in one language. */
export class Words {
  /** @type {string} */ language;
  /** @type {Record<string, string>} */ #table;

  /**
   * @param {string} language  one that tables has
   * @param {Record<string, Record<string, string>>} [more]  further tables, by language
   */
  constructor(language, more = {}) {
    this.language = language;
    this.#table = { ...tables[language], ...more[language] };
  }

  /**
   * say returns the text of a key with its {places} filled in.
   * @param {string} key
   * @param {Record<string, string | undefined>} [places]
   */
  say(key, places = {}) {
    const text = this.#table[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);
  }

  /**
   * has tells whether there is a text.
   * @param {string} key
   */
  has(key) {
    return Object.keys(this.#table).includes(key);
  }

  /**
   * time writes a moment: the time alone today, the day with it otherwise.
   * @param {number} at  ms since 1970
   * @param {number} now
   */
  time(at, now) {
    const today = new Date(at).toDateString() === new Date(now).toDateString();
    /** @type {Intl.DateTimeFormatOptions} */
    const style = { hour: 'numeric', minute: '2-digit', ...(!today && { day: 'numeric', month: 'short' }) };
    return new Intl.DateTimeFormat(this.language, style).format(at);
  }

  /**
   * day writes the day of a moment.
   * @param {number} at  ms since 1970
   */
  day(at) {
    return new Intl.DateTimeFormat(this.language, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }).format(at);
  }

  /**
   * ago writes how long ago a moment was: "5 minutes ago", "yesterday", "now".
   * @param {number} at   ms since 1970
   * @param {number} now  ms since 1970
   */
  ago(at, now) {
    const seconds = Math.max(0, Math.round((now - at) / 1000));
    const [unit, length] = units.find(([, length]) => seconds >= length) ?? ['second', Infinity];
    return new Intl.RelativeTimeFormat(this.language, { numeric: 'auto' }).format(-Math.floor(seconds / length) || 0, unit);
  }

  /**
   * seconds writes how long something takes: "3 seconds".
   * @param {number} ms
   * @param {number} [digits]  after the point
   */
  seconds(ms, digits = 0) {
    /** @type {Intl.NumberFormatOptions} */
    const style = { style: 'unit', unit: 'second', unitDisplay: 'long', minimumFractionDigits: digits, maximumFractionDigits: digits };
    return new Intl.NumberFormat(this.language, style).format(ms / 1000);
  }

  /**
   * fill puts the words into the elements that name them: data-text, data-label, data-placeholder and data-alt.
   * @param {ParentNode} root
   */
  fill(root) {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll('[data-text],[data-label],[data-placeholder],[data-alt]'))) {
      const { text, label, placeholder, alt } = element.dataset;
      if (text) element.textContent = this.say(text);
      if (label) element.setAttribute('aria-label', this.say(label));
      if (placeholder) element.setAttribute('placeholder', this.say(placeholder));
      if (alt) element.setAttribute('alt', this.say(alt));
    }
  }
}
