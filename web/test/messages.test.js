// Frames and messages. The examples of signaling/PROTOCOL.md are files, one for each message, that the Go tests read too.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { parse } from '../page/messages.js';
import { Driver } from './support.js';

const golden = new URL('../../signaling/testdata/messages/', import.meta.url);

/** With these a door proves its name to the relay; a phone has its session instead, and skips them. */
const proof = new Set(['nonce', 'key', 'signature']);

test('what is no message is skipped', () => {
  for (const frame of ['', 'Hello world', 'null', '7', '"offer"', '[]', '[{"type":"offer"}]', '{}', '{"type":null}', '{"type":', undefined, new ArrayBuffer(2)]) {
    assert.equal(parse(frame), null, String(frame));
  }
});

test('fields of a wrong type are left out', () => {
  const frame = { type: 'leave', name: 5, call: 'c1', reason: ['x'], by: null, offer: 'sdp', here: {}, ring: 1, more: true };
  assert.deepEqual(parse(JSON.stringify(frame)), { type: 'leave', call: 'c1' });
  assert.deepEqual(parse('{"type":"login","success":true,"here":[{"name":"Anna","kind":"phone"},{"name":1},null,"x"]}'), {
    type: 'login', success: true, here: [{ name: 'Anna', kind: 'phone' }],
  });
});

test('a description and a candidate stay as the other browser made them', () => {
  const offer = { type: 'offer', sdp: 'v=0', more: { deep: [1] } };
  assert.deepEqual(parse(JSON.stringify({ type: 'offer', name: 'Anna', offer })).offer, offer);
});

test('a name like __proto__ is a name', () => {
  assert.equal(parse('{"type":"offer","name":"__proto__"}').name, '__proto__');
  assert.equal(parse('{"type":"leave","__proto__":{"name":"x"}}').name, undefined);
});

test('golden messages are read whole, and upset no phone in any state', { skip: !existsSync(golden) && 'the folder is not there' }, () => {
  const files = readdirSync(golden).filter((file) => file.endsWith('.json'));
  assert.notEqual(files.length, 0, `${golden.pathname} has no messages`);
  const types = new Set();
  for (const file of files) {
    const text = readFileSync(new URL(file, golden), 'utf8');
    const message = parse(text);
    assert.ok(message, file);
    types.add(message.type);
    const known = Object.entries(JSON.parse(text)).filter(([field]) => field in message);
    for (const [field, value] of known) assert.deepEqual(message[field], value, `${file}: ${field}`);
    assert.deepEqual(Object.keys(JSON.parse(text)).filter((field) => !(field in message || proof.has(field))), [], `${file}: fields not understood`);
    for (const prepare of [() => {}, (d) => d.post({ type: 'call', peer: 'doorbell', id: 'c1' })]) {
      const d = new Driver();
      prepare(d);
      if (message.type !== 'login') d.hear(message);
    }
  }
  for (const type of ['login', 'offer', 'answer', 'candidate', 'leave', 'error', 'presence', 'accept', 'press', 'status']) {
    assert.ok(types.has(type), `no golden message of type ${type}`);
  }
});
