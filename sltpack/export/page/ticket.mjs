// Reading a `.slt` file: nothing in it is trusted, and no memory is taken before lengths have been compared.

import { readPlane } from "./rans.mjs";
import { sha256 } from "./sha256.mjs";

const PREFIX = '{"__metadata__":{"file_sha256":"';
const DIGEST_AT = 8 + PREFIX.length;
const DIGEST_LENGTH = 64;
const MAX_HEADER_BYTES = 2 ** 20;
const MAX_LAYERS = 4096;
const MAX_NAMES = 4096;
const MAX_DIMENSIONS = 8;
const THRESHOLD_ONE = 2 ** 32;
const ITEM_BYTES = { F32: 4, F16: 2, U8: 1 };
const TENSORS = {
  "buffers.f32": "F32",
  steps: "F32",
  "values.f32": "F32",
  "buffers.f16": "F16",
  "values.f16": "F16",
  "buffers.u8": "U8",
  kept: "U8",
  sign: "U8",
};
const NORM = "norm-";

/** The most weights that a file may ask for, unless the caller says otherwise. */
export const MAX_WEIGHTS = 2 ** 28;

/** What is wrong with a file, in one line. */
export class TicketError extends Error {
  constructor(message) {
    super(message);
    this.name = "TicketError";
  }
}

function refuse(expected) {
  throw new TicketError(`the file is damaged or no ticket: expected ${expected}`);
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value, most = Number.MAX_SAFE_INTEGER) => Number.isInteger(value) && value >= 0 && value <= most;
const isShape = (value, least, most) =>
  Array.isArray(value) && value.length >= least && value.length <= most && value.every((size) => isCount(size) && size >= 1);

/** Multiply sizes, and refuse products beyond what float64 holds exactly. */
function product(sizes) {
  const result = sizes.reduce((a, b) => a * b, 1);
  if (result > Number.MAX_SAFE_INTEGER) refuse("fewer than 2^53 numbers in a tensor");
  return result;
}

/** Parse JSON; JSON.parse keeps numbers as float64, so the two seeds are read from the text once more. */
function parseSlt(text) {
  let slt;
  try {
    slt = JSON.parse(text);
  } catch {
    refuse("the text slt to be JSON");
  }
  if (!isObject(slt)) refuse("the text slt to be an object");
  if (slt.version !== 1) throw new TicketError(`version ${JSON.stringify(slt.version)} of the format, where 1 is known`);
  const found = /"seeds":\{"weights":(\d{1,20}),"freezing":(\d{1,20})\}/.exec(text);
  if (!found) refuse("two seeds");
  const seeds = { weights: BigInt(found[1]), freezing: BigInt(found[2]) };
  if (Object.values(seeds).some((seed) => seed >= 1n << 64n)) refuse("seeds below 2^64");
  return { ...slt, seeds };
}

function checkTensors(entries, size) {
  let position = 0;
  const found = {};
  for (const [name, entry] of Object.entries(entries)) {
    const dtype = TENSORS[name] ?? (/^coat ([2-9]|[1-9]\d)$/.test(name) ? "U8" : null);
    if (!Object.hasOwn(TENSORS, name) && !name.startsWith("coat ")) refuse("only tensors that the format knows");
    if (!isObject(entry) || entry.dtype !== dtype) refuse(`${name} of the type ${dtype}`);
    const offsets = entry.data_offsets;
    if (!Array.isArray(entry.shape) || entry.shape.length !== 1 || !isCount(entry.shape[0])) refuse(`${name} with one dimension`);
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((offset) => isCount(offset))) refuse(`offsets of ${name}`);
    if (offsets[0] !== position || offsets[1] - offsets[0] !== entry.shape[0] * ITEM_BYTES[dtype]) {
      refuse(`the bytes of ${name} to follow and to fill its shape`);
    }
    position = offsets[1];
    found[name] = offsets;
  }
  if (position !== size) refuse(`${position} bytes of tensors`);
  if (!found.kept) refuse("a tensor kept");
  return found;
}

/** The names of a row, which has one as a text and several as a list. */
function namesOf(given) {
  const names = Array.isArray(given) ? given : [given];
  if (Array.isArray(given) && (given.length < 2 || given.length > MAX_NAMES)) refuse("two or more names in a list of names");
  if (!names.every((name) => typeof name === "string" && name)) refuse("names of layers and buffers");
  return names;
}

function readLayers(rows, planes) {
  if (!Array.isArray(rows) || rows.length < 1 || rows.length > MAX_LAYERS) refuse("a table of layers");
  const layers = rows.map((row) => {
    if (!Array.isArray(row) || row.length !== 7 + planes.length) refuse("rows of the table of layers with all their entries");
    const [names, shape, pruneThreshold, freezeThreshold, pruned, locked, kept, ...further] = row;
    const all = namesOf(names);
    if (!isShape(shape, 2, MAX_DIMENSIONS)) refuse("shapes of 2 to 8 dimensions");
    const size = product(shape);
    if (!isCount(pruneThreshold, freezeThreshold) || !isCount(freezeThreshold, THRESHOLD_ONE)) refuse("thresholds in order");
    if (![pruned, locked, kept].every((count) => isCount(count, size))) refuse("counts within a layer's size");
    if (pruned + locked > size || kept < locked || kept > size - pruned) refuse("counts that fit each other");
    const parameters = all.map((name) => (name.startsWith("=") ? name.slice(1) : `${name}.weight`));
    const searched = size - pruned - locked;
    return { name: all[0], parameters, shape, size, fanIn: size / shape[0], pruneThreshold, freezeThreshold, pruned, locked, kept, searched, further };
  });
  const parameters = layers.flatMap((layer) => layer.parameters);
  if (new Set(parameters).size !== parameters.length) refuse("different names of layers");
  return layers;
}

/** Widen a float16 exactly. */
function widened(half) {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return (half & 0x8000 ? -1 : 1) * (exponent === 31 ? NaN : size);
}

/**
 * Read a ticket.
 * @param {Uint8Array} bytes the whole file
 * @param {{maxWeights?: number}} [limits]
 * @returns {object} its header, layers, planes (bits), buffers and parts (bits of the file by what they are for)
 */
export function readTicket(bytes, { maxWeights = MAX_WEIGHTS } = {}) {
  if (bytes.length < DIGEST_AT + DIGEST_LENGTH) refuse("a whole header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(0, true) + 2 ** 32 * view.getUint32(4, true);
  if (length > bytes.length - 8 || length > MAX_HEADER_BYTES) refuse("a whole header");
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length));
  } catch {
    refuse("a header in UTF-8");
  }
  if (!text.startsWith(PREFIX)) refuse("the header of a ticket");
  const digest = text.slice(PREFIX.length, PREFIX.length + DIGEST_LENGTH);
  if (sha256(bytes.subarray(0, DIGEST_AT), bytes.subarray(DIGEST_AT + DIGEST_LENGTH)) !== digest) {
    refuse("content with the SHA-256 that closes it");
  }
  let outer;
  try {
    outer = JSON.parse(text);
  } catch {
    refuse("a header in JSON");
  }
  const { __metadata__: metadata, ...entries } = outer;
  if (!isObject(metadata) || typeof metadata.slt !== "string") refuse("an entry slt");
  const body = bytes.subarray(8 + length);
  const offsets = checkTensors(entries, body.length);
  const header = parseSlt(metadata.slt);
  const tensor = (name) => body.subarray(...(offsets[name] ?? [0, 0]));

  const names = header.planes ?? [];
  if (!Array.isArray(names) || !names.every((name, i) => name === `coat ${i + 2}` || (name === "sign" && i === names.length - 1))) {
    refuse("planes that the format knows, in order");
  }
  if (!["ku", "skc", "none"].includes(header.init)) throw new TicketError("weights of a kind that this reader does not know");
  if (!["none", "layer", "global", "stored"].includes(header.scale)) throw new TicketError("a scale that this reader does not know");
  if (!["raw", "rans"].includes(header.codec)) throw new TicketError("a codec that this reader does not know");
  const layers = readLayers(header.layers, names);
  if (layers.reduce((sum, layer) => sum + layer.size, 0) > maxWeights) throw new TicketError(`more than ${maxWeights} weights`);

  const valuesName = ["values.f32", "values.f16"].find((name) => offsets[name]);
  const signed = names.includes("sign");
  if (valuesName && names.length) refuse("either values or further planes");
  if (signed && header.init === "ku") refuse("signs only where the stream has no sizes");
  if (header.init === "none" && !(signed || valuesName)) refuse("signs or values, where nothing comes from a stream");
  if (header.init === "none" && layers.some((layer) => layer.locked)) refuse("no locked weights, where nothing comes from a stream");

  const planes = { kept: readPlane(header.codec, tensor("kept"), layers.map((layer) => ({ count: layer.searched, ones: layer.kept - layer.locked })), refuse) };
  let population = layers.map((layer) => layer.kept - layer.locked);
  names.forEach((name, plane) => {
    const ones = layers.map((layer) => layer.further[plane]);
    const over = name === "sign" ? layers.map((layer) => layer.kept - layer.locked) : population;
    if (!ones.every((count, i) => isCount(count, over[i]))) refuse(`counts of ${name} within its population`);
    planes[name] = readPlane(header.codec, tensor(name), over.map((count, i) => ({ count, ones: ones[i] })), refuse);
    if (name !== "sign") population = ones;
  });

  const floats = (name, item) => {
    const data = tensor(name);
    const at = new DataView(data.buffer, data.byteOffset, data.length);
    const numbers = Float32Array.from({ length: data.length / item }, (_, i) =>
      item === 4 ? at.getFloat32(4 * i, true) : widened(at.getUint16(2 * i, true)),
    );
    if (!numbers.every(Number.isFinite)) refuse(`finite numbers in ${name}`);
    return numbers;
  };
  const values = valuesName ? floats(valuesName, valuesName === "values.f32" ? 4 : 2) : null;
  const searchedKept = layers.reduce((sum, layer) => sum + layer.kept - layer.locked, 0);
  if (values && values.length !== searchedKept) refuse(`${searchedKept} values`);
  const steps = header.scale === "stored" ? floats("steps", 4) : null;
  if (steps && steps.length !== layers.length) refuse(`${layers.length} steps`);
  if (!steps && offsets.steps) refuse("steps only with the scale stored");

  const buffers = readBuffers(header.buffers ?? [], { f32: floats("buffers.f32", 4), f16: floats("buffers.f16", 2), u8: tensor("buffers.u8") });
  const planeBytes = Object.keys(planes).reduce((sum, name) => sum + tensor(name).length, 0);
  const bufferBytes = ["buffers.f32", "buffers.f16", "buffers.u8"].reduce((sum, name) => sum + tensor(name).length, 0);
  const valueBytes = ["values.f32", "values.f16", "steps"].reduce((sum, name) => sum + tensor(name).length, 0);
  const tableBytes = new TextEncoder().encode(JSON.stringify(header.layers)).length;
  return {
    header,
    layers,
    planes,
    values,
    steps,
    buffers,
    fileSha256: digest,
    seeded: header.init !== "none" && !values,
    parts: {
      supermask: planeBytes,
      values: valueBytes,
      buffers: bufferBytes,
      "layer table": tableBytes,
      rest: bytes.length - planeBytes - valueBytes - bufferBytes - tableBytes,
    },
  };
}

/** Take buffers apart, and make single numbers of those that are written in 8 bits. */
function readBuffers(rows, numbers) {
  if (!Array.isArray(rows) || rows.length > 4 * MAX_LAYERS) refuse("a table of buffers");
  const at = { f32: 0, f16: 0, u8: 0 };
  const take = (kind, count) => {
    const taken = numbers[kind].subarray(at[kind], at[kind] + count);
    if (taken.length !== count) refuse("as many numbers as the buffers have");
    at[kind] += count;
    return taken;
  };
  const buffers = {};
  const put = (names, end, value) => {
    for (const name of names) {
      if (Object.hasOwn(buffers, name + end)) refuse("different names of buffers");
      buffers[name + end] = value;
    }
  };
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== 3 || !isShape(row[1], 0, MAX_DIMENSIONS)) refuse("rows of buffers");
    const [given, shape, kind] = row;
    const names = namesOf(given);
    const count = product(shape);
    if (kind === "f32" || kind === "f16") {
      put(names, "", take(kind, count));
    } else if (kind === `${NORM}f32` || kind === `${NORM}f16`) {
      put(names, ".running_mean", take(kind.slice(NORM.length), count));
      put(names, ".running_var", take(kind.slice(NORM.length), count));
    } else if (kind === `${NORM}q8`) {
      const [meanStep, deviationStep] = take("f32", 2);
      if (!(meanStep > 0 && deviationStep > 0)) refuse("two steps above 0");
      const means = take("u8", count);
      const deviations = take("u8", count);
      const mean = new Float32Array(count);
      const variance = new Float32Array(count);
      for (let c = 0; c < count; c += 1) {
        const deviation = Math.fround((deviations[c] + 1) ** 2 * deviationStep);
        variance[c] = Math.fround(deviation * deviation);
        mean[c] = Math.fround(Math.fround((means[c] - 128) * meanStep) * deviation);
      }
      put(names, ".running_mean", mean);
      put(names, ".running_var", variance);
    } else {
      throw new TicketError("buffers of a kind that this reader does not know");
    }
  }
  if (Object.keys(at).some((kind) => at[kind] !== numbers[kind].length)) refuse("no numbers beyond the buffers");
  return buffers;
}
