// The page as it is written: what its policy forbids, what scripts and tests rely on, and who may speak to whom.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { choose, tables, Words } from '../page/i18n.js';

const folder = new URL('../page/', import.meta.url);
const read = (file) => readFileSync(new URL(file, folder), 'utf8');
const scripts = readdirSync(folder).filter((file) => file.endsWith('.js'));
const html = read('index.html');
const source = scripts.map(read).join('\n');

test('all languages have all keys, with the same places to fill in', () => {
  const places = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [language, table] of Object.entries(tables)) {
    assert.deepEqual(Object.keys(table).sort(), Object.keys(tables.en).sort(), language);
    for (const [key, text] of Object.entries(table)) {
      assert.deepEqual(places(text), places(tables.en[key]), `${language}: ${key}`);
      assert.notEqual(text.trim(), '', `${language}: ${key}`);
    }
  }
});

test('every key that the page uses has a text, and every text is used', () => {
  const used = new Set([...html.matchAll(/data-(?:text|label|placeholder)="([^"]+)"/g)].map(([, key]) => key));
  for (const [, key] of source.matchAll(/'([a-z]+(?:\.[a-z0-9-]+)*)'/g)) if (key in tables.en) used.add(key);
  for (const [, key] of source.matchAll(/(?:say|key:|end)\(?\s*'([a-z]+\.[a-z0-9-]+)'/g)) assert.ok(key in tables.en, key);
  for (const key of [...html.matchAll(/data-(?:text|label|placeholder)="([^"]+)"/g)].map(([, key]) => key)) assert.ok(key in tables.en, key);
  const composed = /^(refused|status|connection|missed|mic)\./;
  assert.deepEqual(Object.keys(tables.en).filter((key) => !used.has(key) && !composed.test(key)), []);
});

test('the language is the first of the person\'s that there is', () => {
  assert.equal(choose(['pt-BR', 'de-AT', 'en']), 'de');
  assert.equal(choose(['IT']), 'it');
  assert.equal(choose(['__proto__', 'tlh']), 'en');
  assert.equal(choose([]), 'en');
});

test('texts are filled in', () => {
  const words = new Words('en');
  assert.equal(words.say('end.busy', { peer: '{by}' }), '{by} is in another call.');
  assert.equal(words.say('end.busy'), '{peer} is in another call.');
  assert.equal(words.say('no.such'), 'no.such');
  assert.equal(words.has('toString'), false);
  const at = Date.UTC(2024, 4, 17, 12, 5);
  assert.notEqual(words.time(at, at), words.time(at, at + 90_000_000));
});

test('no script or style stands in the page, and nothing comes from elsewhere', () => {
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/i);
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/i);
  for (const [, address] of html.matchAll(/(?:src|href)="([^"]+)"/g)) assert.match(address, /^[\w.-]+(#[\w-]+)?$/);
  for (const file of ['style.css', 'stage.css']) assert.doesNotMatch(read(file), /@import|url\(/);
  assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/);
});

test('the ids that other scripts rely on are there, once each', () => {
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  const demo = ['loginPage', 'usernameInput', 'loginBtn', 'callPage', 'localVideo', 'remoteVideo', 'callToUsernameInput', 'callBtn', 'hangUpBtn'];
  for (const id of demo) assert.ok(ids.includes(id), id);
  for (const [, id] of source.matchAll(/byId\('([^']+)'/g)) assert.ok(ids.includes(id), id);
});

test('icons that are used exist', () => {
  const icons = [...read('icons.svg').matchAll(/<symbol id="([^"]+)"/g)].map(([, id]) => id);
  for (const [, id] of html.matchAll(/icons\.svg#([\w-]+)/g)) assert.ok(icons.includes(id), id);
  for (const [, id] of source.matchAll(/icon\('([\w-]+)'\)/g)) assert.ok(icons.includes(id), id);
});

test('two voices: only protocol.js has the socket, only call.js the peer connection, and neither knows the page', () => {
  for (const file of scripts) {
    const code = read(file).replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
    if (file !== 'protocol.js') assert.doesNotMatch(code, /\bWebSocket\b/, file);
    if (file !== 'call.js') assert.doesNotMatch(code, /new RTCPeerConnection/, file);
    if (/^(protocol|call|phone|state.*|turn|messages|backoff|ids)\.js$/.test(file)) {
      assert.doesNotMatch(code, /\b(document|window)\b|dom\.js/, file);
    }
    if (/^(state.*|turn)\.js$/.test(file)) assert.doesNotMatch(code, /Date\.now|setTimeout|Math\.random|crypto/, file);
  }
});
