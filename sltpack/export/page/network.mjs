// The forward pass of the built-in networks for images, in plain typed arrays, channels first.

import { TicketError } from "./ticket.mjs";

const EPSILON = 1e-5; // of torch's BatchNorm
const STAGES = [64, 128, 256, 512];
const BLOCKS = { 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3] };

/**
 * @typedef {{data: Float32Array, channels: number, height: number, width: number}} Planes
 */

const planesOf = (channels, height, width) => ({ data: new Float32Array(channels * height * width), channels, height, width });

/**
 * Convolve; zero weights cost nothing.
 * @param {Planes} input
 * @param {{shape: number[], weights: Float32Array}} layer [out, in, size, size]
 * @param {number} stride
 * @param {number} padding
 * @returns {Planes}
 */
function convolve(input, { shape, weights }, stride, padding) {
  const [outs, ins, size] = shape;
  if (ins !== input.channels) throw new TicketError(`a layer takes ${ins} channels and is given ${input.channels}`);
  const { height, width, data } = input;
  const output = planesOf(
    outs,
    Math.floor((height + 2 * padding - size) / stride) + 1,
    Math.floor((width + 2 * padding - size) / stride) + 1,
  );
  const { height: rows, width: columns, data: sums } = output;
  let at = 0;
  for (let out = 0; out < outs; out += 1) {
    const target = out * rows * columns;
    for (let channel = 0; channel < ins; channel += 1) {
      const source = channel * height * width;
      for (let ky = 0; ky < size; ky += 1) {
        for (let kx = 0; kx < size; kx += 1, at += 1) {
          const weight = weights[at];
          if (weight === 0) continue;
          const dy = ky - padding;
          const dx = kx - padding;
          const firstRow = Math.max(0, Math.ceil(-dy / stride));
          const lastRow = Math.min(rows, Math.floor((height - 1 - dy) / stride) + 1);
          const first = Math.max(0, Math.ceil(-dx / stride));
          const last = Math.min(columns, Math.floor((width - 1 - dx) / stride) + 1);
          for (let row = firstRow; row < lastRow; row += 1) {
            const to = target + row * columns;
            let from = source + (row * stride + dy) * width + dx + first * stride;
            for (let x = to + first; x < to + last; x += 1, from += stride) sums[x] += weight * data[from];
          }
        }
      }
    }
  }
  return output;
}

/** Multiply features by a matrix [out, in]. */
function multiply(features, { shape, weights }) {
  const [outs, ins] = shape;
  if (ins !== features.length) throw new TicketError(`a layer takes ${ins} features and is given ${features.length}`);
  const result = new Float32Array(outs);
  for (let out = 0, at = 0; out < outs; out += 1) {
    let sum = 0;
    for (let i = 0; i < ins; i += 1, at += 1) sum += weights[at] * features[i];
    result[out] = sum;
  }
  return result;
}

function rectify(data) {
  for (let i = 0; i < data.length; i += 1) if (data[i] < 0) data[i] = 0;
}

function pool(input, size, stride, padding) {
  const { channels, height, width, data } = input;
  const output = planesOf(
    channels,
    Math.floor((height + 2 * padding - size) / stride) + 1,
    Math.floor((width + 2 * padding - size) / stride) + 1,
  );
  let at = 0;
  for (let channel = 0; channel < channels; channel += 1) {
    for (let row = 0; row < output.height; row += 1) {
      for (let column = 0; column < output.width; column += 1, at += 1) {
        let best = -Infinity;
        for (let y = Math.max(0, row * stride - padding); y < Math.min(height, row * stride - padding + size); y += 1) {
          for (let x = Math.max(0, column * stride - padding); x < Math.min(width, column * stride - padding + size); x += 1) {
            best = Math.max(best, data[(channel * height + y) * width + x]);
          }
        }
        output.data[at] = best;
      }
    }
  }
  return output;
}

/** The parts of a model by name, each looked up when it is needed. */
class Parts {
  constructor(ticket, weights) {
    this.layers = new Map();
    ticket.layers.forEach((layer, index) => {
      for (const parameter of layer.parameters) this.layers.set(parameter, { shape: layer.shape, weights: weights[index] });
    });
    this.buffers = ticket.buffers;
  }

  layer(name, dimensions) {
    const found = this.layers.get(`${name}.weight`);
    if (!found || found.shape.length !== dimensions) throw new TicketError(`the ticket has no fitting layer ${name}`);
    return found;
  }

  has(name) {
    return this.layers.has(`${name}.weight`);
  }

  convolve(name, input, stride, padding) {
    return convolve(input, this.layer(name, 4), stride, padding);
  }

  multiply(name, features) {
    return multiply(features, this.layer(name, 2));
  }

  /** Normalise each channel by the running mean and variance, in place. */
  normalise(name, planes) {
    const mean = this.buffers[`${name}.running_mean`];
    const variance = this.buffers[`${name}.running_var`];
    if (!mean || !variance || mean.length !== planes.channels || variance.length !== planes.channels) {
      throw new TicketError(`the ticket has no fitting statistics ${name}`);
    }
    const area = planes.height * planes.width;
    for (let channel = 0; channel < planes.channels; channel += 1) {
      const factor = 1 / Math.sqrt(variance[channel] + EPSILON);
      for (let i = channel * area; i < (channel + 1) * area; i += 1) planes.data[i] = (planes.data[i] - mean[channel]) * factor;
    }
    return planes;
  }
}

/** Conv-2 to -8: pairs of 3x3 convolutions, each pair halved, then three linear layers. */
function runConv(depth, parts, input) {
  let hidden = input;
  for (let number = 1; number <= depth; number += 1) {
    hidden = parts.convolve(`conv${number}`, hidden, 1, 1);
    rectify(hidden.data);
    if (number % 2 === 0) hidden = pool(hidden, 2, 2, 0);
  }
  let features = hidden.data;
  for (const name of ["linear1", "linear2"]) {
    features = parts.multiply(name, features);
    rectify(features);
  }
  return parts.multiply("linear3", features);
}

/** ResNets, in the form for small images or, large, in the one for ImageNet. */
function runResNet(depth, large, parts, input) {
  let hidden = parts.normalise("norm", parts.convolve("conv", input, large ? 2 : 1, large ? 3 : 1));
  rectify(hidden.data);
  if (large) hidden = pool(hidden, 3, 2, 1);
  let number = 0;
  STAGES.forEach((_, stage) => {
    for (let i = 0; i < BLOCKS[depth][stage]; i += 1, number += 1) {
      const name = `blocks.${number}`;
      const stride = stage && !i ? 2 : 1;
      // [convolution, stride, padding]: two of 3x3, or 1x1, 3x3 and 1x1.
      const steps = depth < 50 ? [[1, stride, 1], [2, 1, 1]] : [[1, 1, 0], [2, stride, 1], [3, 1, 0]];
      let inner = hidden;
      steps.forEach(([each, by, padding], index) => {
        inner = parts.normalise(`${name}.norm${each}`, parts.convolve(`${name}.conv${each}`, inner, by, padding));
        if (index < steps.length - 1) rectify(inner.data);
      });
      const shortcut = `${name}.shortcut`;
      const around = parts.has(`${shortcut}.0`)
        ? parts.normalise(`${shortcut}.1`, parts.convolve(`${shortcut}.0`, hidden, stride, 0))
        : hidden;
      for (let j = 0; j < inner.data.length; j += 1) inner.data[j] += around.data[j];
      rectify(inner.data);
      hidden = inner;
    }
  });
  const area = hidden.height * hidden.width;
  const means = Float32Array.from({ length: hidden.channels }, (_, channel) => {
    let sum = 0;
    for (let i = channel * area; i < (channel + 1) * area; i += 1) sum += hidden.data[i];
    return sum / area;
  });
  return parts.multiply("linear", means);
}

const FAMILIES = [
  [/^conv([2468])$/, (found, parts, input) => runConv(Number(found[1]), parts, input)],
  [/^resnet(18|34|50)$/, (found, parts, input) => runResNet(Number(found[1]), false, parts, input)],
  [/^imagenet-resnet(18|34|50)$/, (found, parts, input) => runResNet(Number(found[1]), true, parts, input)],
];

/**
 * Make a function that runs a ticket's network.
 * @param {object} ticket as readTicket returns it
 * @param {Float32Array[]} weights as regenerate returns them
 * @returns {(pixels: Uint8Array) => Float32Array} from the bytes of one image [height, width, channels], of the size
 *   that the network takes, to its class scores
 */
export function networkOf(ticket, weights) {
  const { model, input } = ticket.header;
  const [found, run] = FAMILIES.map(([pattern, each]) => [pattern.exec(model.name), each]).find(([match]) => match) ?? [];
  if (!found) throw new TicketError(`the network ${model.name} is not one that this reader runs`);
  if (input?.kind !== "image") throw new TicketError("the ticket does not say how pictures are brought to its input");
  const [channels, height, width] = model.input_shape;
  const [low, high] = input.range;
  const spread = Math.fround(high - low);
  const lowest = Math.fround(low);
  const ranged = low !== 0 || high !== 1;
  const parts = new Parts(ticket, weights);
  return (pixels) => {
    if (pixels.length !== channels * height * width) throw new TicketError(`an image of ${height}x${width} pixels is needed`);
    const planes = planesOf(channels, height, width);
    for (let channel = 0; channel < channels; channel += 1) {
      const mean = Math.fround(input.mean[channel]);
      const deviation = Math.fround(input.deviation[channel]);
      for (let i = 0; i < height * width; i += 1) {
        let scaled = Math.fround(pixels[i * channels + channel] / 255);
        if (ranged) scaled = Math.fround(Math.fround(scaled * spread) + lowest);
        planes.data[channel * height * width + i] = Math.fround(scaled - mean) / deviation;
      }
    }
    return run(found, parts, planes);
  };
}

/**
 * Turn class scores into shares that add up to 1.
 * @param {Float32Array} scores
 * @returns {number[]}
 */
export function softmax(scores) {
  const highest = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
