// Puts the page together. The parts: protocol.js speaks to the relay, call.js to the other end, state.js decides, the views
// draw. Here they meet.

import { byId } from './dom.js';
import { choose, Words } from './i18n.js';
import { Phone } from './phone.js';
import { Picture } from './picture.js';
import { Shell } from './shell.js';
import { Store } from './store.js';
import { Tone } from './tone.js';
import { HomeView } from './view-home.js';
import { LoginView } from './view-login.js';
import { StageView } from './view-stage.js';

/** settings asks the server for what the page must know; the page works without. */
async function settings() {
  const known = { door: 'doorbell', open: false, version: '' };
  try {
    const response = await fetch('settings.json');
    return response.ok ? { ...known, ...(await response.json()) } : known;
  } catch {
    return known;
  }
}

/** The relay's address: beside the page. */
function relayURL() {
  const url = new URL('ws', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = url.hash = '';
  return url.href;
}

/**
 * watch tells the phone when it woke up or its network changed.
 * @param {Phone} phone
 */
function watch(phone) {
  const changed = () => {
    phone.wake();
    phone.post({ type: 'network' });
  };
  addEventListener('online', changed);
  const connection = /** @type {(EventTarget & {type?: string}) | undefined} */ (/** @type {any} */ (navigator).connection);
  let type = connection?.type;
  connection?.addEventListener?.('change', () => {
    if (connection.type === type) return; // only its speed is thought another
    type = connection.type;
    changed();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') phone.wake();
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) phone.wake();
  });
  addEventListener('pagehide', () => phone.leave());
}

async function start() {
  const words = new Words(choose(navigator.languages ?? [navigator.language]));
  document.documentElement.lang = words.language;
  words.fill(document);
  const known = await settings();
  const store = new Store(() => localStorage);
  const picture = new Picture();

  /** @type {(event: {type: string, [field: string]: any}) => void} */
  const post = (event) => phone.post(event);
  const tone = new Tone(() => shell.render(phone.state));
  const shell = new Shell(words, tone, picture);
  const views = [new LoginView(post, words, known), new HomeView(post, words, known), new StageView(post, words, picture, store), shell];
  const phone = new Phone({
    url: relayURL(),
    door: known.door,
    store,
    tab: new Store(() => sessionStorage),
    listener: {
      state: (state) => views.forEach((view) => view.render(state)),
      sound: (sound) => tone.once(sound),
      remote: (stream) => picture.remote(stream),
      local: (stream) => picture.local(stream),
    },
  });
  for (const gesture of ['pointerdown', 'pointerup', 'keydown']) {
    document.addEventListener(gesture, () => {
      tone.unlock();
      picture.unlock();
    }, { capture: true, passive: true });
  }
  tone.start();
  watch(phone);
  views.forEach((view) => view.render(phone.state));
  phone.open();
  byId('loginBtn').dataset.ready = 'true';
}

void start();
