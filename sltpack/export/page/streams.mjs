// The streams of random bits: Philox4x64-10 (Salmon et al. 2011) in 32-bit halves, since BigInt is forty times slower.

/** Purposes of a stream. */
export const WEIGHTS = 0;
export const FREEZING = 1;

const BLOCK_WORDS = 8; // 32 bits each
const M0_HIGH = 0xd2e7470e;
const M0_LOW = 0xe14c6c93;
const M1_HIGH = 0xca5a8263;
const M1_LOW = 0x95121157;
const W0_HIGH = 0x9e3779b9;
const W0_LOW = 0x7f4a7c15;
const W1_HIGH = 0xbb67ae85;
const W1_LOW = 0x84caa73b;

/** The upper 32 bits of the product of two 32-bit integers. */
function upper(a, b) {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = Math.imul(a0, b0) >>> 0;
  const middle = Math.imul(a1, b0) + (low >>> 16); // a 32-bit product may look negative:
  const middle0 = (middle >>> 0) & 0xffff; //          only its bits count, and it cannot pass 2^32
  const middle1 = (middle >>> 0) >>> 16;
  const other = (Math.imul(a0, b1) >>> 0) + middle0;
  return (Math.imul(a1, b1) + middle1 + Math.floor(other / 65536)) >>> 0;
}

/**
 * Draw from the stream of a layer.
 * @param {bigint} seed 64 bits
 * @param {number} layer the row in the layer table, from 0
 * @param {number} purpose WEIGHTS or FREEZING
 * @param {number} first the first block, of 8 words
 * @param {Uint32Array} out filled with words of 32 bits, in the order of the stream; a multiple of 8 of them
 */
export function draw(seed, layer, purpose, first, out) {
  const seedLow = Number(seed & 0xffffffffn);
  const seedHigh = Number(seed >> 32n);
  const second = 2 * layer + purpose;
  for (let at = 0, block = first; at < out.length; at += BLOCK_WORDS, block += 1) {
    let c0l = (block + 1) >>> 0;
    let c0h = Math.floor((block + 1) / 2 ** 32);
    let c1l = 0;
    let c1h = 0;
    let c2l = 0;
    let c2h = 0;
    let c3l = 0;
    let c3h = 0;
    let k0l = seedLow;
    let k0h = seedHigh;
    let k1l = second >>> 0;
    let k1h = Math.floor(second / 2 ** 32);
    for (let round = 0; round < 10; round += 1) {
      // The product of c0 and M0, 128 bits in four words, and that of c2 and M1.
      const p0 = Math.imul(c0l, M0_LOW) >>> 0;
      let carry = upper(c0l, M0_LOW) + (Math.imul(c0l, M0_HIGH) >>> 0);
      let more = (carry >>> 0) + (Math.imul(c0h, M0_LOW) >>> 0);
      const p1 = more >>> 0;
      carry =
        (carry > 0xffffffff ? 1 : 0) +
        (more > 0xffffffff ? 1 : 0) +
        upper(c0l, M0_HIGH) +
        upper(c0h, M0_LOW) +
        (Math.imul(c0h, M0_HIGH) >>> 0);
      const p2 = carry >>> 0;
      const p3 = (upper(c0h, M0_HIGH) + Math.floor(carry / 2 ** 32)) >>> 0;

      const q0 = Math.imul(c2l, M1_LOW) >>> 0;
      carry = upper(c2l, M1_LOW) + (Math.imul(c2l, M1_HIGH) >>> 0);
      more = (carry >>> 0) + (Math.imul(c2h, M1_LOW) >>> 0);
      const q1 = more >>> 0;
      carry =
        (carry > 0xffffffff ? 1 : 0) +
        (more > 0xffffffff ? 1 : 0) +
        upper(c2l, M1_HIGH) +
        upper(c2h, M1_LOW) +
        (Math.imul(c2h, M1_HIGH) >>> 0);
      const q2 = carry >>> 0;
      const q3 = (upper(c2h, M1_HIGH) + Math.floor(carry / 2 ** 32)) >>> 0;

      c0l = (q2 ^ c1l ^ k0l) >>> 0;
      c0h = (q3 ^ c1h ^ k0h) >>> 0;
      c1l = q0;
      c1h = q1;
      const next2l = (p2 ^ c3l ^ k1l) >>> 0;
      const next2h = (p3 ^ c3h ^ k1h) >>> 0;
      c3l = p0;
      c3h = p1;
      c2l = next2l;
      c2h = next2h;

      const low0 = k0l + W0_LOW;
      k0h = (k0h + W0_HIGH + (low0 > 0xffffffff ? 1 : 0)) >>> 0;
      k0l = low0 >>> 0;
      const low1 = k1l + W1_LOW;
      k1h = (k1h + W1_HIGH + (low1 > 0xffffffff ? 1 : 0)) >>> 0;
      k1l = low1 >>> 0;
    }
    out[at] = c0l;
    out[at + 1] = c0h;
    out[at + 2] = c1l;
    out[at + 3] = c1h;
    out[at + 4] = c2l;
    out[at + 5] = c2h;
    out[at + 6] = c3l;
    out[at + 7] = c3h;
  }
}

/**
 * Make room for words and draw them from the start of a stream.
 * @param {bigint} seed
 * @param {number} layer
 * @param {number} purpose
 * @param {number} count words of 32 bits
 * @returns {Uint32Array} at least `count` words
 */
export function words(seed, layer, purpose, count) {
  const out = new Uint32Array(BLOCK_WORDS * Math.ceil(count / BLOCK_WORDS));
  draw(seed, layer, purpose, 0, out);
  return out;
}
