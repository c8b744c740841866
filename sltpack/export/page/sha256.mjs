// SHA-256 (FIPS 180-4), synchronous, since crypto.subtle is missing on pages that are opened from a file.

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2), and of the
 * square roots of the first 8 (section 5.3.3): worked out, as sqrt and cbrt of small primes are exact enough here. */
function constants() {
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) {
    if (primes.every((prime) => n % prime)) primes.push(n);
  }
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32) | 0;
  return {
    rounds: Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime))),
    start: Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime))),
  };
}

const { rounds: K, start: START } = constants();

/**
 * Compute the SHA-256 of bytes that come in pieces.
 * @param {...Uint8Array} pieces
 * @returns {string} 64 lowercase hexadecimal digits
 */
export function sha256(...pieces) {
  const state = Int32Array.from(START);
  const words = new Int32Array(64);
  const block = new Uint8Array(64);
  const view = new DataView(block.buffer);
  let filled = 0;
  let length = 0;

  function compress(at) {
    for (let i = 0; i < 16; i += 1) words[i] = at.getInt32(4 * i);
    for (let i = 16; i < 64; i += 1) {
      const x = words[i - 15];
      const y = words[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const now = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i += 1) state[i] += now[i];
  }

  for (const piece of pieces) {
    length += piece.length;
    let position = 0;
    while (position < piece.length) {
      if (filled === 0 && piece.length - position >= 64) {
        compress(new DataView(piece.buffer, piece.byteOffset + position, 64));
        position += 64;
        continue;
      }
      const taken = Math.min(64 - filled, piece.length - position);
      block.set(piece.subarray(position, position + taken), filled);
      filled += taken;
      position += taken;
      if (filled === 64) {
        compress(view);
        filled = 0;
      }
    }
  }
  block[filled] = 0x80;
  block.fill(0, filled + 1);
  if (filled >= 56) {
    compress(view);
    block.fill(0);
  }
  view.setUint32(56, Math.floor(length / 2 ** 29));
  view.setUint32(60, (length * 8) >>> 0);
  compress(view);
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
