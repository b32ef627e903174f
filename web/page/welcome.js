// The page over plain HTTP: helps a device trust the house's certificate, and goes on to HTTPS as soon as it does.

import { choose, Words } from './i18n.js';
import { detect, elsewhere } from './system.js';
import { askTrust, destination, TrustWatch } from './trust.js';
import { WelcomeView } from './view-welcome.js';
import { tables } from './words-welcome.js';

const again = 2_000; // ms after the house was not reached

const words = new Words(choose(navigator.languages ?? [navigator.language]), tables);
document.documentElement.lang = words.language;
document.title = words.say('app.title');
words.fill(document);
const view = new WelcomeView(words);
view.guide(detect(navigator), elsewhere(navigator));

/** reach asks until the house answers. */
async function reach() {
  for (;;) {
    try {
      return await askTrust();
    } catch (error) {
      console.warn('the house was not reached', error);
      view.found('offline');
      await new Promise((resolve) => setTimeout(resolve, again));
    }
  }
}

async function start() {
  const { fingerprint, sites } = await reach();
  const watch = new TrustWatch({
    sites,
    visible: () => document.visibilityState === 'visible',
    told: (site) => {
      view.found(site ? 'yes' : 'no');
      if (site) location.replace(destination(site, location.hash));
    },
  });
  view.found('checking');
  view.trust(fingerprint, sites.length ? destination(sites[0], location.hash) : '');
  const look = () => document.visibilityState === 'visible' && watch.look();
  document.addEventListener('visibilitychange', look);
  for (const sign of ['focus', 'pageshow', 'online']) addEventListener(sign, look);
  watch.look();
}

void start();
