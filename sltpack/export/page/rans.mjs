// The codec `rans`: a range asymmetric numeral system (Duda 2013), its 64-bit states in 32-bit halves.

const SCALE_BITS = 24;
const SCALE = 1 << SCALE_BITS;
const ONE = 1n << 32n;
const SPARSE_FROM = 7n << 29n;
const MAX_CODED = 2 ** 32;
const RAW_WITHIN = 181;
const MAX_LANES = 65535;
const LANE_SPAN = 8192;

/**
 * Tell how a layer's bits are written.
 * @param {number} count bits
 * @param {number} ones
 * @returns {"empty" | "raw" | "coded"}
 */
function wayOf(count, ones) {
  if (ones === 0 || ones === count) return "empty";
  return RAW_WITHIN * Math.abs(count - 2 * ones) <= count || count > MAX_CODED ? "raw" : "coded";
}

/** The chance of zeros and ones, in units of 2^-32, each product rounded down. */
function chance(z, zeros, ones) {
  let p = ONE;
  for (let i = 0; i < zeros; i += 1) p = (p * z) >> 32n;
  for (let i = 0; i < ones; i += 1) p = (p * (ONE - z)) >> 32n;
  return p;
}

/** The frequencies of all values of a block of r bits, and where each begins. */
function tableOf(z, r, sparse) {
  let divisor = ONE;
  if (sparse) {
    divisor = 0n;
    for (let i = 0; i < r; i += 1) divisor += chance(z, i, 0);
  }
  const byOnes = [];
  for (let c = 0; c <= r; c += 1) {
    byOnes.push(sparse && c === 0 ? 0 : 1 + Number((BigInt(SCALE - (1 << r)) * chance(z, r - c, c - sparse)) / divisor));
  }
  const size = 1 << r;
  const starts = new Uint32Array(size + 1);
  for (let value = 0; value < size; value += 1) {
    let ones = 0;
    for (let rest = value; rest; rest &= rest - 1) ones += 1;
    starts[value + 1] = starts[value] + byOnes[ones];
  }
  starts[size] = SCALE;
  // Which value a slot's upper 12 bits begin in, so that the search for it is short.
  const hints = new Uint8Array(4096);
  for (let slot = 0, value = 0; slot < 4096; slot += 1) {
    while (starts[value + 1] <= slot << 12) value += 1;
    hints[slot] = value;
  }
  return { starts, hints };
}

class Lanes {
  constructor(states, words, refuse) {
    this.count = states.length / 2;
    this.states = states; // low, high, low, high, ...
    this.words = words;
    this.position = 0;
    this.refuse = refuse;
  }

  /** Read a segment: symbols of one table, the first by lane 0. */
  read(count, { starts, hints }, out) {
    const { states, words } = this;
    const lanes = this.count;
    for (let i = 0, lane = 0; i < count; i += 1) {
      let low = states[2 * lane];
      let high = states[2 * lane + 1];
      const slot = low & (SCALE - 1);
      let symbol = hints[slot >>> 12];
      while (starts[symbol + 1] <= slot) symbol += 1;
      const start = starts[symbol];
      const frequency = starts[symbol + 1] - start;
      // frequency * floor(state / 2^24) + slot - start, in two halves of 20 bits, so that float64 is exact.
      const quotient = high * 256 + (low >>> SCALE_BITS);
      const upper = Math.floor(quotient / 1048576);
      const lower = quotient - upper * 1048576;
      const a = frequency * upper;
      const sum = (a % 4096) * 1048576 + frequency * lower + slot - start;
      low = sum >>> 0;
      high = Math.floor(a / 4096) + Math.floor(sum / 4294967296);
      if (high === 0) {
        if (this.position >= words.length) this.refuse("more words in the supermask");
        high = low;
        low = words[this.position];
        this.position += 1;
      }
      states[2 * lane] = low;
      states[2 * lane + 1] = high;
      out[i] = symbol;
      lane += 1;
      if (lane === lanes) lane = 0;
    }
  }

  /** Read a string of bits, into blocks of 8, the last one what is left. */
  string(count, z) {
    const whole = Math.floor(count / 8);
    const rest = count % 8;
    const blocks = new Uint8Array(whole + (rest ? 1 : 0));
    if (z > SPARSE_FROM && count >= 8) {
      const present = this.string(whole, chance(z, 8, 0));
      let here = 0;
      for (let i = 0; i < whole; i += 1) here += (present[i >> 3] >> (i & 7)) & 1;
      const values = new Uint8Array(here);
      this.read(here, tableOf(z, 8, 1), values);
      for (let i = 0, next = 0; i < whole; i += 1) {
        if ((present[i >> 3] >> (i & 7)) & 1) {
          blocks[i] = values[next];
          next += 1;
        }
      }
    } else {
      this.read(whole, tableOf(z, 8, 0), blocks);
    }
    if (rest) {
      const last = new Uint8Array(1);
      this.read(1, tableOf(z, rest, 0), last);
      blocks[whole] = last[0];
    }
    return blocks;
  }

  requireEnded() {
    let ended = this.position === this.words.length;
    for (let lane = 0; lane < this.count; lane += 1) {
      ended &&= this.states[2 * lane] === 0 && this.states[2 * lane + 1] === 1;
    }
    if (!ended) this.refuse("all words to be read, and all lanes to end where they began");
  }
}

/** Copy bits from one string to another: bit j is bit (j mod 8), least significant first, of byte floor(j / 8). */
function copyBits(from, start, count, to, target) {
  for (let j = 0; j < count; j += 1) {
    const source = start + j;
    if ((from[source >>> 3] >> (source & 7)) & 1) to[(target + j) >>> 3] |= 1 << ((target + j) & 7);
  }
}

function countOnes(bits, start, count) {
  let ones = 0;
  for (let j = start; j < start + count; j += 1) ones += (bits[j >>> 3] >> (j & 7)) & 1;
  return ones;
}

function requirePadding(bytes, bits, refuse) {
  if (bytes.length !== Math.ceil(bits / 8)) refuse(`${Math.ceil(bits / 8)} bytes for ${bits} bits`);
  if (bits % 8 && bytes[bytes.length - 1] >>> (bits % 8)) refuse("zero bits behind the last one");
}

/**
 * Read a plane.
 * @param {"raw" | "rans"} codec
 * @param {Uint8Array} data the bytes of its tensor
 * @param {{count: number, ones: number}[]} parts one for each layer
 * @param {(expected: string) => never} refuse
 * @returns {Uint8Array} all bits, layer after layer without padding, least significant first
 */
export function readPlane(codec, data, parts, refuse) {
  const total = parts.reduce((sum, part) => sum + part.count, 0);
  let bits;
  if (codec === "raw") {
    requirePadding(data, total, refuse);
    bits = data;
  } else {
    bits = readRans(data, parts, total, refuse);
  }
  let start = 0;
  for (const { count, ones } of parts) {
    if (countOnes(bits, start, count) !== ones) refuse(`${ones} ones in a layer's part of a plane`);
    start += count;
  }
  return bits;
}

function readRans(data, parts, total, refuse) {
  if (data.length < 2) refuse("the number of lanes");
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const lanes = view.getUint16(0, true);
  const ways = parts.map(({ count, ones }) => wayOf(count, ones));
  const rawBits = parts.reduce((sum, { count }, i) => sum + (ways[i] === "raw" ? count : 0), 0);
  const statesAt = 2 + Math.ceil(rawBits / 8);
  const wordsAt = statesAt + 8 * lanes;
  if (data.length < wordsAt || (data.length - wordsAt) % 4) refuse("whole words in the plane");
  const coded = ways.includes("coded");
  if (!coded && data.length > statesAt) refuse("no states or words, as no layer is coded");
  if (coded && lanes < Math.min(MAX_LANES, 1 + Math.floor((data.length - wordsAt) / LANE_SPAN))) refuse("more lanes");
  const raw = data.subarray(2, statesAt);
  requirePadding(raw, rawBits, refuse);
  const states = Uint32Array.from({ length: 2 * lanes }, (_, i) => view.getUint32(statesAt + 4 * i, true));
  for (let lane = 0; lane < lanes; lane += 1) {
    if (states[2 * lane + 1] === 0) refuse("states of at least 2^32");
  }
  const words = Uint32Array.from({ length: (data.length - wordsAt) / 4 }, (_, i) => view.getUint32(wordsAt + 4 * i, true));
  const reader = new Lanes(states, words, refuse);
  const bits = new Uint8Array(Math.ceil(total / 8));
  let target = 0;
  let rawStart = 0;
  parts.forEach(({ count, ones }, i) => {
    if (ways[i] === "raw") {
      copyBits(raw, rawStart, count, bits, target);
      rawStart += count;
    } else if (ways[i] === "coded") {
      const most = Math.max(ones, count - ones);
      const blocks = reader.string(count, (BigInt(most) << 32n) / BigInt(count));
      if (2 * ones > count) for (let at = 0; at < blocks.length; at += 1) blocks[at] ^= 255;
      copyBits(blocks, 0, count, bits, target);
    } else if (ones) {
      for (let j = target; j < target + count; j += 1) bits[j >>> 3] |= 1 << (j & 7);
    }
    target += count;
  });
  reader.requireEnded();
  return bits;
}
