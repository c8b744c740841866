// The effective weights of a ticket, regenerated bit for bit.

import { sha256 } from "./sha256.mjs";
import { FREEZING, WEIGHTS, draw } from "./streams.mjs";
import { TicketError } from "./ticket.mjs";

const PIECE = 8192; // positions at a time; a multiple of 256, so that pieces begin at blocks of the stream of signs

/** Round the quotient of two positive integers to float64, once, however large they are. */
function quotient(a, b) {
  const limit = 1n << 53n;
  if (a < limit && b < limit) return Number(a) / Number(b);
  // 64 leading bits of the quotient, the last one set where anything is left: BigInt to Number then rounds once.
  const shift = 64 - (a.toString(2).length - b.toString(2).length);
  const [top, bottom] = shift > 0 ? [a << BigInt(shift), b] : [a, b << BigInt(-shift)];
  const whole = top / bottom;
  return Number(whole | (top % bottom ? 1n : 0n)) * 2 ** -shift;
}

/** The sum of the squared multiplicities of a layer's weights. */
function weightOf(ticket, layer) {
  let sum = BigInt(layer.kept);
  (ticket.header.planes ?? []).forEach((name, plane) => {
    // (j + 1)^2 - j^2 more for each weight that coat j + 1 keeps.
    if (name !== "sign") sum += BigInt(layer.further[plane]) * BigInt(2 * (plane + 2) - 1);
  });
  return sum;
}

/** The step of a layer, float32. */
function stepOf(ticket, index) {
  const { header, layers, steps } = ticket;
  if (steps) return steps[index];
  const layer = layers[index];
  const factor = header.init === "ku" ? 6n : 2n;
  const all = header.scale === "global" ? layers : [layer];
  const scaled = header.scale !== "none";
  const a = scaled ? all.reduce((sum, each) => sum + BigInt(each.size), 0n) : 1n;
  const b = scaled ? all.reduce((sum, each) => sum + weightOf(ticket, each), 0n) : 1n;
  if (b === 0n) return 0;
  const root = Math.sqrt(quotient(factor * a, BigInt(layer.fanIn) * b));
  return Math.fround(header.init === "ku" ? root * 2 ** -24 : root);
}

const bitOf = (bits, j) => (bits[j >>> 3] >>> (j & 7)) & 1;

/**
 * Regenerate all weights.
 * @param {object} ticket as readTicket returns it
 * @returns {Float32Array[]} the effective weights of each layer, in C order
 */
export function regenerate(ticket) {
  const { header, layers, planes, values } = ticket;
  const coats = (header.planes ?? []).filter((name) => name !== "sign").map((name) => planes[name]);
  const coatAt = coats.map(() => 0);
  const random = new Uint32Array(PIECE);
  const keys = new Uint32Array(PIECE);
  let bit = 0; // in `kept`
  let number = 0; // of kept searched weights so far
  return layers.map((layer, index) => {
    const weights = new Float32Array(layer.size);
    const step = stepOf(ticket, index);
    const end = bit + layer.searched;
    let pruned = 0;
    let locked = 0;
    for (let first = 0; first < layer.size; first += PIECE) {
      const last = Math.min(first + PIECE, layer.size);
      draw(header.seeds.freezing, index, FREEZING, first / 8, keys);
      if (header.init === "ku") draw(header.seeds.weights, index, WEIGHTS, first / 8, random);
      if (header.init === "skc") draw(header.seeds.weights, index, WEIGHTS, first / 256, random.subarray(0, PIECE / 32));
      for (let i = first; i < last; i += 1) {
        const key = keys[i - first];
        const at = i - first;
        if (key < layer.pruneThreshold) {
          pruned += 1;
          continue;
        }
        const isLocked = key < layer.freezeThreshold;
        if (isLocked) {
          locked += 1;
        } else {
          if (bit >= end) throw new TicketError(`layer ${layer.name}: more searched weights than its table says`);
          const isKept = bitOf(planes.kept, bit);
          bit += 1;
          if (!isKept) continue;
        }
        let unit = 1;
        if (header.init === "ku") unit = 2 * (random[at] >>> 8) + 1 - 16777216;
        else if (header.init === "skc") unit = 1 - 2 * ((random[at >>> 5] >>> (at & 31)) & 1);
        if (isLocked) {
          weights[i] = unit * step;
          continue;
        }
        if (values) {
          weights[i] = values[number];
        } else {
          if (planes.sign) unit = 1 - 2 * bitOf(planes.sign, number);
          let times = 1;
          for (let coat = 0; coat < coats.length; coat += 1) {
            const here = bitOf(coats[coat], coatAt[coat]);
            coatAt[coat] += 1;
            if (!here) break;
            times += 1;
          }
          const once = Math.fround(unit * step);
          weights[i] = times > 1 ? Math.fround(once * times) : once;
        }
        number += 1;
      }
    }
    if (pruned !== layer.pruned || locked !== layer.locked) {
      throw new TicketError(`layer ${layer.name}: the thresholds lead to other counts than its table has`);
    }
    return weights;
  });
}

/**
 * Compute the digest that the file holds under weights_sha256.
 * @param {Float32Array[]} layers
 * @returns {string}
 */
export function weightsDigest(layers) {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) throw new TicketError("this machine is big-endian");
  return sha256(...layers.map((weights) => new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength)));
}
