// Puts the page together. The parts: protocol.js speaks to the relay, call.js to the other end, state.js decides, the views
// draw. Here they meet.

import { Backoff } from './backoff.js';
import { byId, show } from './dom.js';
import { House, refusalOf } from './house.js';
import { choose, Words } from './i18n.js';
import { Phone } from './phone.js';
import { Phones } from './phones.js';
import { Picture } from './picture.js';
import { Shell } from './shell.js';
import { Store } from './store.js';
import { Tone } from './tone.js';
import { HomeView } from './view-home.js';
import { InviteView } from './view-invite.js';
import { LoginView } from './view-login.js';
import { PhonesView } from './view-phones.js';
import { StageView } from './view-stage.js';

const house = new House();

/** out goes where this phone can come in: it has no session. */
function out() {
  location.replace('join');
}

/**
 * settings asks the house for what the page must know, until it answers. A server that knows no settings has the page without;
 * null where this phone has no session.
 * @returns {Promise<import('./house.js').Settings | null>}
 */
async function settings() {
  const backoff = new Backoff();
  for (;;) {
    try {
      return await house.settings();
    } catch (error) {
      const { code } = refusalOf(error);
      if (code === 'no-session') return null;
      if (code === 'not-found') return { door: 'doorbell', open: false, version: '' };
    }
    show(byId('starting'), true);
    await new Promise((resolve) => setTimeout(resolve, 500 + backoff.next()));
  }
}

/** gone tells whether this phone's session has ended; not being reached tells nothing. */
async function gone() {
  try {
    return !(await house.settings()).me;
  } catch (error) {
    return refusalOf(error).code === 'no-session';
  }
}

/**
 * managePhones puts the section of the house's phones together. It has its place in the browser's history, so that the phone's
 * own back leads out of it.
 * @param {import('./house.js').Me} me
 * @param {Words} words
 */
function managePhones(me, words) {
  const visible = () => document.visibilityState === 'visible' && document.documentElement.dataset.state === 'home';
  /** @type {(event: {type: string, [field: string]: any}) => void} */
  const post = (event) => phones.post(event);
  const views = [new PhonesView(post, words), new InviteView(post, words)];
  /** @param {import('./phones-state.js').State} state */
  const render = (state) => views.forEach((view) => view.render(state, Date.now()));
  const phones = new Phones(house, me, { state: render, out, visible });
  const route = () => post({ type: location.hash === '#phones' ? 'open' : 'close' });
  let entered = false;
  byId('phonesBtn').addEventListener('click', () => {
    entered = true;
    location.hash = 'phones';
  });
  byId('phonesBackBtn').addEventListener('click', () => {
    if (phones.state.view === 'add' || phones.state.view === 'invitation') post({ type: 'back' });
    else if (entered) history.back();
    else location.replace('#');
  });
  addEventListener('hashchange', route);
  document.addEventListener('visibilitychange', () => visible() && phones.wake());
  setInterval(() => phones.state.view !== 'closed' && visible() && render(phones.state), 1_000); // times go by
  render(phones.state);
  route();
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
  if (!known) {
    out();
    return;
  }
  show(byId('starting'), false);
  const store = new Store(() => localStorage);
  const picture = new Picture();

  /** @type {(event: {type: string, [field: string]: any}) => void} */
  const post = (event) => phone.post(event);
  const tone = new Tone(() => shell.render(phone.state));
  const shell = new Shell(words, tone, picture);
  const views = [shell, new LoginView(post, words, known), new HomeView(post, words, known), new StageView(post, words, picture, store)]; // the tone first
  const phone = new Phone({
    url: relayURL(),
    door: known.door,
    me: known.me?.name,
    gone,
    store,
    tab: new Store(() => sessionStorage),
    listener: {
      state: (state) => views.forEach((view) => view.render(state)),
      sound: (sound) => tone.once(sound),
      remote: (stream) => picture.remote(stream),
      prepare: (stream) => picture.prepare(stream),
      local: (stream) => picture.local(stream),
    },
  });
  // Not pointerdown: the bar that asks for a gesture goes then, and what is under it moves before the finger is up.
  for (const gesture of ['pointerup', 'keydown']) {
    document.addEventListener(gesture, () => {
      tone.unlock();
      picture.unlock();
    }, { capture: true, passive: true });
  }
  tone.start();
  watch(phone);
  if (known.me) managePhones(known.me, words);
  views.forEach((view) => view.render(phone.state));
  phone.open();
  byId('loginBtn').dataset.ready = 'true';
}

void start();
