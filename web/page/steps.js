// How each system is made to trust the doorbell's certificate, step by step.

/**
 * @typedef {import('./system.js').System} System
 *
 * @typedef {object} Picture  of a screen; texts are keys, and what the person has to find is marked
 * @property {'phone' | 'pane' | 'question'} shape
 * @property {string} [title]
 * @property {string} [action]  the button at the top right, marked; in a question or window the button, marked
 * @property {string} [other]   the other button of a question
 * @property {string} [search]  what stands in the search field
 * @property {(string | null)[]} [rows]  null is a row that doesn't matter
 * @property {number} [marked]  index of the marked row
 * @property {boolean} [toggle] the marked row is a switch
 *
 * @typedef {object} Step
 * @property {string} text      key
 * @property {'profile' | 'certificate'} [load]  the file that this step loads
 * @property {boolean} [compare]  shows the fingerprint
 * @property {Picture} [picture]
 */

/** Names that are the same in all languages: in pictures, and in the places of texts. @type {Record<string, string>} */
export const names = { file: 'doorbell.crt', authority: 'Doorbell', manager: 'chrome://certificate-manager', command: 'doorbell invite' };

/** @type {Step} */
const compare = { text: 'welcome.compare', compare: true };
/** @type {Step} */
const back = { text: 'welcome.back' };

/** @type {Step[]} */
const chrome = [
  { text: 'chrome.load', load: 'certificate' },
  compare,
  { text: 'chrome.open', picture: { shape: 'pane', search: 'manager', rows: [null, null] } },
  { text: 'chrome.import', picture: { shape: 'pane', rows: ['term.trusted', null], action: 'term.import' } },
];

/** @type {Record<System, Step[]>} */
export const steps = {
  ios: [
    { text: 'ios.load', load: 'profile', picture: { shape: 'question', action: 'term.allow' } },
    compare,
    { text: 'ios.open', picture: { shape: 'phone', title: 'term.settings', rows: [null, 'term.profile', null, null], marked: 1 } },
    { text: 'ios.install', picture: { shape: 'phone', action: 'term.install', rows: [null, null, null] } },
    { text: 'ios.about', picture: { shape: 'phone', title: 'term.about', rows: [null, null, 'term.trust'], marked: 2 } },
    { text: 'ios.switch', picture: { shape: 'phone', title: 'term.trust', rows: ['authority'], marked: 0, toggle: true } },
    back,
  ],
  android: [
    { text: 'android.load', load: 'certificate' },
    compare,
    { text: 'android.search', picture: { shape: 'phone', search: 'term.ca', rows: [null, 'term.ca', null], marked: 1 } },
    { text: 'android.anyway', picture: { shape: 'question', action: 'term.anyway' } },
    { text: 'android.choose', picture: { shape: 'phone', title: 'term.downloads', rows: [null, 'file', null], marked: 1 } },
    back,
  ],
  windows: [
    { text: 'windows.load', load: 'certificate' },
    compare,
    { text: 'windows.install', picture: { shape: 'pane', rows: [null, null], action: 'term.wininstall' } },
    { text: 'windows.store', picture: { shape: 'pane', rows: [null, 'term.roots', null], marked: 1 } },
    { text: 'windows.sure', picture: { shape: 'question', action: 'term.yes', other: 'term.no' } },
    back,
  ],
  macos: [
    { text: 'macos.load', load: 'certificate' },
    compare,
    { text: 'macos.open', picture: { shape: 'pane', title: 'term.keychain', rows: [null, 'authority', null], marked: 1 } },
    { text: 'macos.trust', picture: { shape: 'pane', title: 'term.mactrust', rows: ['term.always', null], marked: 0 } },
    back,
  ],
  chromeos: [...chrome, back],
  linux: [...chrome, { text: 'firefox.import' }, back],
};
