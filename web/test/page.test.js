// The page as it is written: what its policy forbids, what scripts and tests rely on, and who may speak to whom.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { choose, countdown, tables as shared, Words } from '../page/i18n.js';
import { names, steps } from '../page/steps.js';
import { tables as welcoming } from '../page/words-welcome.js';

const folder = new URL('../page/', import.meta.url);
const read = (file) => readFileSync(new URL(file, folder), 'utf8');
const scripts = readdirSync(folder).filter((file) => file.endsWith('.js'));
const source = scripts.map(read).join('\n');
const pages = ['index.html', 'join.html', 'welcome.html'].map((file) => ({ file, html: read(file), code: closure(file).map(read).join('\n') }));
const html = pages.map((page) => page.html).join('\n');
const tables = Object.fromEntries(Object.keys(shared).map((language) => [language, { ...shared[language], ...welcoming[language] }]));

/** closure lists the modules that a page loads. */
function closure(file) {
  const found = new Set();
  const follow = (text) => {
    for (const [, name] of text.matchAll(/(?:src="|from '\.\/)([\w/-]+\.js)/g)) {
      if (found.has(name)) continue;
      found.add(name);
      follow(read(name));
    }
  };
  follow(read(file));
  return [...found];
}

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
  const used = new Set([...html.matchAll(/data-(?:text|label|placeholder|alt)="([^"]+)"/g)].map(([, key]) => key));
  for (const [, key] of source.matchAll(/'([a-z]+(?:\.[a-z0-9-]+)*)'/g)) if (key in tables.en) used.add(key);
  for (const [, key] of source.matchAll(/(?:say|key:|end)\(?\s*'([a-z]+\.[a-z0-9-]+)'/g)) assert.ok(key in tables.en, key);
  for (const key of [...html.matchAll(/data-(?:text|label|placeholder|alt)="([^"]+)"/g)].map(([, key]) => key)) assert.ok(key in tables.en, key);
  const composed = /^(refused|status|connection|missed|mic|role|join\.error|phones\.error|system|term)\.|^welcome\.(no|yes|offline|profile|certificate)$/;
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
  const ago = (ms) => words.ago(at, at + ms);
  assert.deepEqual([-5_000, 59_000, 60_000, 7_200_000, 86_400_000, 1_209_600_000].map(ago), ['now', 'now', '1 minute ago', '2 hours ago', 'yesterday', '2 weeks ago']);
  assert.deepEqual([-1, 1, 59_999, 60_001, 900_000].map(countdown), ['0:00', '0:01', '1:00', '1:01', '15:00']);
  assert.deepEqual([words.seconds(3_400), new Words('de').seconds(40, 2)], ['3 seconds', '0,04 Sekunden']);
  assert.equal(new Words('de', { de: { more: 'mehr' } }).say('more'), 'mehr');
});

test('the steps of each system have their words, load a file, have the fingerprint compared, and lead back', () => {
  for (const [system, list] of Object.entries(steps)) {
    assert.ok(`system.${system}` in tables.en, system);
    for (const { text, picture } of list) {
      const named = [text, picture?.title, picture?.action, picture?.other, picture?.search, ...(picture?.rows ?? [])];
      for (const key of named) if (key && !(key in names)) assert.ok(key in tables.en, key);
      for (const [, place] of tables.en[text].matchAll(/\{(\w+)\}/g)) assert.ok(place in names || `term.${place}` in tables.en, place);
    }
    assert.deepEqual(list.map(({ load, compare }) => (load && 'load') ?? (compare && 'compare')).filter(Boolean), ['load', 'compare'], system);
    assert.equal(list.at(-1).text, 'welcome.back');
  }
});

test('no script or style stands in the page, and nothing comes from elsewhere', () => {
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/i);
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/i);
  for (const [, address] of html.matchAll(/(?:src|href)="([^"]+)"/g)) assert.match(address, /^[\w.-][\w.-]*(\/[\w.-]+)?(#[\w-]+)?$/);
  for (const file of ['style.css', 'stage.css', 'access.css', 'welcome.css']) assert.doesNotMatch(read(file), /@import|url\(/);
  assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/);
});

test('the ids that other scripts rely on are there, once each', () => {
  const idsOf = (text) => [...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  for (const page of pages) {
    const own = idsOf(page.html);
    assert.equal(new Set(own).size, own.length, page.file);
    for (const [, id] of page.code.matchAll(/byId\('([^']+)'/g)) assert.ok(own.includes(id), `${page.file}: ${id}`);
    for (const [, id] of page.html.matchAll(/(?:for|aria-labelledby|aria-describedby)="([^"]+)"/g)) for (const one of id.split(' ')) assert.ok(own.includes(one), `${page.file}: ${one}`);
  }
  const ids = idsOf(pages[0].html);
  const demo = ['loginPage', 'usernameInput', 'loginBtn', 'callPage', 'localVideo', 'remoteVideo', 'callToUsernameInput', 'callBtn', 'hangUpBtn'];
  for (const id of demo) assert.ok(ids.includes(id), id);
});

test('icons that are used exist', () => {
  const icons = [...read('icons.svg').matchAll(/<symbol id="([^"]+)"/g)].map(([, id]) => id);
  for (const [, id] of html.matchAll(/icons\.svg#([\w-]+)/g)) assert.ok(icons.includes(id), id);
  for (const [, id] of source.matchAll(/icon\('([\w-]+)'\)/g)) assert.ok(icons.includes(id), id);
});

test('two voices: who speaks to the relay, the other end or the house never knows the page', () => {
  for (const file of scripts) {
    const code = read(file).replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
    if (file !== 'protocol.js') assert.doesNotMatch(code, /\bWebSocket\b/, file);
    if (file !== 'call.js') assert.doesNotMatch(code, /new RTCPeerConnection/, file);
    if (!/^(house|trust|phone)\.js$/.test(file)) assert.doesNotMatch(code, /\bfetch\(/, file);
    if (/^(protocol|call|phone|state.*|turn|messages|backoff|ids|house|trust|phones|.*-state|secret|system|steps)\.js$/.test(file)) {
      assert.doesNotMatch(code, /\b(document|window)\b|dom\.js/, file);
    }
    if (/^(state.*|turn|.*-state|secret|system)\.js$/.test(file)) assert.doesNotMatch(code, /Date\.now|setTimeout|Math\.random|crypto/, file);
  }
});
