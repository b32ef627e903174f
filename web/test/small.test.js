import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../page/backoff.js';
import { newCallId, newCredential } from '../page/ids.js';
import { Store } from '../page/store.js';
import './support.js'; // crypto, in Node 18

test('back-off: anything from 0 up to a ceiling that grows to 10 s', () => {
  const longest = new Backoff(() => 0.999999);
  assert.deepEqual(Array.from({ length: 7 }, () => longest.next()), [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  longest.reset();
  assert.equal(longest.next(), 500);
  assert.equal(new Backoff(() => 0).next(), 0);
});

test('ids are random, also where crypto has no randomUUID', () => {
  const ids = new Set(Array.from({ length: 100 }, newCallId));
  assert.equal(ids.size, 100);
  const whole = crypto.randomUUID;
  crypto.randomUUID = undefined;
  try {
    assert.match(newCallId(), /^[0-9a-f]{32}$/);
  } finally {
    crypto.randomUUID = whole;
  }
  assert.match(newCredential(), /^[0-9a-f]{32}$/);
  assert.notEqual(newCredential(), newCredential());
});

test('storage: kept under a prefix, and in memory where the browser forbids it', () => {
  const map = new Map();
  const storage = { getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) };
  const throwing = () => { throw new Error('forbidden'); };
  const full = { getItem: () => null, setItem: throwing, removeItem: throwing };
  for (const open of [() => storage, throwing, () => full, () => undefined]) {
    const store = new Store(open);
    assert.equal(store.get('name'), undefined);
    store.set('name', 'Küche');
    store.set('volume', 0);
    assert.equal(store.get('name'), 'Küche');
    assert.equal(store.get('volume'), 0);
    store.set('name', undefined);
    assert.equal(store.get('name'), undefined);
  }
  assert.deepEqual([...map.keys()], ['doorbell.volume']);
  map.set('doorbell.bad', '{');
  assert.equal(new Store(() => storage).get('bad'), undefined);
});
