// Random ids. crypto.randomUUID needs a secure context, which a page on plain http in a LAN isn't; getRandomValues doesn't.

/**
 * hex returns n random bytes as lower-case hex.
 * @param {number} n
 */
function hex(n) {
  const bytes = crypto.getRandomValues(new Uint8Array(n));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** newCallId makes the id of one call: 128 random bits. */
export function newCallId() {
  return typeof crypto.randomUUID === 'function' ? crypto.randomUUID() : hex(16);
}

/** newCredential makes what proves to the relay that a returning client is the same one: 128 random bits. */
export function newCredential() {
  return hex(16);
}
