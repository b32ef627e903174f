// The secret of a claim or an invitation: four English words, in a link's fragment or typed from a screen.

/** A secret has no fewer words; fewer are not sent, since each wrong try counts. */
const fewest = 4;

/** Three of the longest words have no more letters: with more, the words were typed without spaces. */
const mostOfThree = 27;

/**
 * normalise writes a secret as the house knows it, with hyphens, whatever a person or a keyboard made of it: capitals, spaces,
 * commas, other dashes, the whole link.
 * @param {string} text
 */
export function normalise(text) {
  const secret = text.slice(text.lastIndexOf('#') + 1);
  return secret.normalize('NFKC').toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean).join('-');
}

/**
 * complete tells whether a normalised secret may be one.
 * @param {string} secret
 */
export function complete(secret) {
  const words = secret.split('-');
  return words.length >= fewest || words.join('').length > mostOfThree || (words.length === 1 && secret.length >= 12);
}

/**
 * fromHash takes the secret out of an address's fragment; '' where there is none.
 * @param {string} hash  as location.hash has it
 */
export function fromHash(hash) {
  try {
    return normalise(decodeURIComponent(hash));
  } catch {
    return normalise(hash); // a stray percent sign
  }
}
