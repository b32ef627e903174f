// The welcome page: which system it is, and when it goes on by itself.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { another, detect, elsewhere, propose } from '../page/system.js';
import { askTrust, destination, firstTrusted, TrustWatch } from '../page/trust.js';
import { freshClock, settle, tick } from './support.js';

const webkit = 'AppleWebKit/605.1.15 (KHTML, like Gecko)';
const blink = 'AppleWebKit/537.36 (KHTML, like Gecko)';
/** System, other browser than Safari, name, user agent, points that a touch has. */
const agents = [
  ['ios', false, 'iPhone', `Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) ${webkit} Version/17.5 Mobile/15E148 Safari/604.1`, 5],
  ['ios', true, 'iPhone', `Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) ${webkit} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1`, 5],
  ['ios', true, 'iPhone', `Mozilla/5.0 (iPhone; CPU iPhone OS 14_5 like Mac OS X) ${webkit} FxiOS/127.0 Mobile/15E148 Safari/605.1.15`, 5],
  ['ios', true, 'iPhone', `Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) ${webkit} Mobile/15E148`, 5],
  ['ios', false, 'iPad', `Mozilla/5.0 (iPad; CPU OS 12_5_7 like Mac OS X) ${webkit} Version/12.1.2 Mobile/15E148 Safari/604.1`, 5],
  ['ios', false, 'iPad', `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${webkit} Version/17.5 Safari/605.1.15`, 5],
  ['macos', false, 'Mac', `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${webkit} Version/17.5 Safari/605.1.15`, 0],
  ['macos', false, 'Mac', `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${blink} Chrome/126.0.0.0 Safari/537.36`, 0],
  ['macos', false, 'Mac', 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0', 0],
  ['android', false, 'Android', `Mozilla/5.0 (Linux; Android 10; K) ${blink} Chrome/126.0.0.0 Mobile Safari/537.36`, 5],
  ['android', false, 'Pixel 7', `Mozilla/5.0 (Linux; Android 13; Pixel 7) ${blink} Chrome/114.0.0.0 Mobile Safari/537.36`, 5],
  ['android', false, 'Fairphone 4', `Mozilla/5.0 (Linux; Android 12; Fairphone 4 Build/FP4.SP2B.C.080; wv) ${blink} Version/4.0 Chrome/114.0.0.0 Mobile Safari/537.36`, 5],
  ['android', false, 'Samsung', `Mozilla/5.0 (Linux; Android 13; SM-S911B) ${blink} SamsungBrowser/21.0 Chrome/110.0.5481.154 Mobile Safari/537.36`, 5],
  ['android', false, 'Android', 'Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0', 5],
  ['windows', false, 'PC', `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${blink} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0`, 10],
  ['windows', false, 'PC', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0', 0],
  ['chromeos', false, 'Chromebook', `Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${blink} Chrome/126.0.0.0 Safari/537.36`, 10],
  ['linux', false, 'PC', `Mozilla/5.0 (X11; Linux x86_64) ${blink} Chrome/126.0.0.0 Safari/537.36`, 0],
  ['linux', false, 'PC', 'Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0', 0],
  ['linux', false, 'PC', '', 0],
];

test('the system, by what real browsers say of themselves', () => {
  for (const [system, other, name, userAgent, maxTouchPoints] of agents) {
    const told = { userAgent, maxTouchPoints };
    assert.deepEqual([detect(told), elsewhere(told), propose(told)], [system, other, name], userAgent);
  }
  const frozen = `Mozilla/5.0 (X11; Linux x86_64) ${blink} Chrome/126.0.0.0 Safari/537.36`;
  for (const [platform, system] of [['Android', 'android'], ['Chrome OS', 'chromeos'], ['Windows', 'windows'], ['macOS', 'macos'], ['constructor', 'linux'], ['', 'linux']]) {
    assert.equal(detect({ userAgent: frozen, userAgentData: { platform } }), system, platform);
  }
});

test('another name beside one that is taken', () => {
  assert.deepEqual(['iPhone', 'iPhone (2)', 'iPhone (9)', ' Pixel 7 ', '(x)'].map(another), ['iPhone (2)', 'iPhone (3)', 'iPhone (10)', 'Pixel 7 (2)', '(x) (2)']);
});

beforeEach(() => {
  freshClock(1_700_000_000_000);
});

const sites = ['https://doorbell.local', 'https://192.168.1.20'];

/** network is a fetch that the test answers, site by site; a request that waits too long is given up. */
function network() {
  const waiting = [];
  const request = (url, { signal } = {}) => new Promise((resolve, reject) => {
    waiting.push({ url, ok: () => resolve({ ok: true }), fail: () => reject(new TypeError('Failed to fetch')) });
    signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });
  return { request, waiting };
}

test('all sites are tried at once, and the first in order wins, not the first to answer', async () => {
  const { request, waiting } = network();
  const found = firstTrusted(sites, request);
  assert.deepEqual(waiting.map(({ url }) => url), sites.map((site) => site + '/trusted'));
  waiting[1].ok();
  await settle();
  waiting[0].ok();
  assert.equal(await found, sites[0]);
});

test('a name that nobody knows does not keep the address waiting for ever', async () => {
  const { request, waiting } = network();
  const found = firstTrusted(sites, request);
  waiting[1].ok();
  tick(4_000);
  assert.equal(await found, sites[1]);
});

test('nothing is trusted: no site; a refusal is no trust', async () => {
  const { request, waiting } = network();
  const found = firstTrusted(sites, request);
  waiting.forEach(({ fail }) => fail());
  assert.equal(await found, '');
  assert.equal(await firstTrusted(sites, async () => ({ ok: false })), '');
  assert.equal(await firstTrusted([], request), '');
});

test('where it goes on: with an invitation to where that is taken up', () => {
  assert.equal(destination(sites[0], '#correct-horse'), 'https://doorbell.local/join#correct-horse');
  assert.equal(destination(sites[0], ''), 'https://doorbell.local/');
  assert.equal(destination(sites[0], '#'), 'https://doorbell.local/');
});

/** watch is a TrustWatch, what it told, and how often it asked. */
function watch(answer, visible = () => true) {
  const made = { told: [], asked: 0 };
  made.watch = new TrustWatch({
    sites: [sites[0]],
    visible,
    told: (site) => made.told.push(site),
    request: async () => {
      made.asked++;
      return { ok: answer() };
    },
  });
  return made;
}

test('it tries every few seconds until the device trusts, and then no more', async () => {
  let trusted = false;
  const made = watch(() => trusted);
  made.watch.look();
  made.watch.look();
  await settle();
  assert.equal(made.asked, 1, 'one try at a time');
  tick(3_000);
  await settle();
  trusted = true;
  tick(3_000);
  await settle();
  assert.deepEqual(made.told, ['', '', sites[0]]);
  made.watch.look();
  tick(60_000);
  await settle();
  assert.equal(made.asked, 3);
});

test('nobody looks, or nothing happened for long: it rests until somebody comes back', async () => {
  let seen = false;
  const made = watch(() => false, () => seen);
  made.watch.look();
  await settle();
  tick(60_000);
  await settle();
  assert.equal(made.asked, 1);
  seen = true;
  made.watch.look();
  for (let i = 0; i < 400; i++) {
    await settle();
    tick(3_000);
  }
  assert.equal(made.asked, 1 + 900 / 3 + 1, 'a quarter of an hour');
  made.watch.look();
  await settle();
  made.watch.end();
  const { asked } = made;
  tick(60_000);
  await settle();
  assert.equal(made.asked, asked);
});

test('what the house says is taken with care', async () => {
  const answer = (value, ok = true) => async () => ({ ok, status: 503, json: async () => value });
  const told = { door: 'doorbell', fingerprint: 'AB:CD', sites: ['https://doorbell.local/', 'http://doorbell.local', 'javascript:alert(1)', 7, '//x', 'https://192.168.1.20:8443'] };
  assert.deepEqual(await askTrust(answer(told)), { door: 'doorbell', fingerprint: 'AB:CD', sites: ['https://doorbell.local', 'https://192.168.1.20:8443'] });
  assert.deepEqual(await askTrust(answer({ sites: 'x', fingerprint: 5 })), { door: '', fingerprint: '', sites: [] });
  await assert.rejects(askTrust(answer({}, false)), /503/);
});
