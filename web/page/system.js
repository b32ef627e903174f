// Which system this browser runs on: for the right instructions, and for a name to propose.

/**
 * @typedef {'ios' | 'android' | 'windows' | 'macos' | 'linux' | 'chromeos'} System
 *
 * @typedef {object} Told  what navigator says; userAgentData in secure contexts of Chromium only
 * @property {string} userAgent
 * @property {number} [maxTouchPoints]
 * @property {{platform?: string}} [userAgentData]
 */

/** @type {Record<string, System>} */
const platforms = {
  android: 'android', windows: 'windows', macos: 'macos', linux: 'linux', 'chrome os': 'chromeos', 'chromium os': 'chromeos', ios: 'ios',
};

/** In order: Android says Linux as well, and iOS says "like Mac OS X". @type {[RegExp, System][]} */
const agents = [
  [/\b(iPhone|iPad|iPod)\b/, 'ios'],
  [/\bAndroid\b/, 'android'],
  [/\bCrOS\b/, 'chromeos'],
  [/\bWindows\b/, 'windows'],
  [/\bMacintosh\b/, 'macos'],
];

/**
 * detect returns the system. iPadOS calls itself a Mac; but no Mac has a touch screen.
 * @param {Told} told
 * @returns {System}
 */
export function detect({ userAgent, maxTouchPoints = 0, userAgentData }) {
  const platform = userAgentData?.platform?.toLowerCase() ?? '';
  if (Object.keys(platforms).includes(platform)) return platforms[platform];
  const [, system = 'linux'] = agents.find(([pattern]) => pattern.test(userAgent)) ?? [];
  return system === 'macos' && maxTouchPoints > 1 ? 'ios' : system;
}

/**
 * elsewhere tells whether this is iOS in another browser than Safari: that may not hand a profile to the settings.
 * @param {Told} told
 */
export function elsewhere(told) {
  return detect(told) === 'ios' && (/\b(CriOS|FxiOS|EdgiOS|OPiOS|OPT|DuckDuckGo|GSA|Focus)\//.test(told.userAgent) || !/\bSafari\//.test(told.userAgent));
}

/** @type {Record<System, string>} */
const devices = { ios: 'iPhone', android: 'Android', windows: 'PC', macos: 'Mac', linux: 'PC', chromeos: 'Chromebook' };

/**
 * propose returns a name for this phone, to be changed by the person.
 * @param {Told} told
 */
export function propose(told) {
  const system = detect(told);
  if (system === 'ios' && !/\b(iPhone|iPod)\b/.test(told.userAgent)) return 'iPad';
  if (system !== 'android') return devices[system];
  const model = /Android [\d.]+; ([^;)]+?)(?: Build\/[^)]*)?\)/.exec(told.userAgent)?.[1] ?? '';
  if (/^SM-/.test(model)) return 'Samsung';
  return /^(Pixel|Fairphone|moto|Nokia|OnePlus|Nothing|HONOR|Xperia)\b/i.test(model) ? model : devices.android;
}

/**
 * another returns a name beside one that is taken: "Pixel 7", "Pixel 7 (2)", "Pixel 7 (3)".
 * @param {string} name
 */
export function another(name) {
  const [, base, count] = /^(.*?)(?: \((\d{1,3})\))?$/.exec(name.trim()) ?? ['', name, undefined];
  return `${base} (${Number(count ?? 1) + 1})`;
}
