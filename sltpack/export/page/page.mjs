// The page: the ticket in it is rebuilt and checked, then shown pictures.

import { networkOf, softmax } from "./network.mjs";
import { readTicket } from "./ticket.mjs";
import { regenerate, weightsDigest } from "./weights.mjs";

const SHOWN = 10; // classes
const element = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

function say(message) {
  element("error").textContent = message;
  element("error").hidden = !message;
}

/** Add a bar: text, a share of the whole width, and a figure. Nothing from the file is ever taken for HTML. */
function bar(parent, text, share, figure, best = false) {
  const row = document.createElement("div");
  row.className = best ? "row best" : "row";
  const [name, track, end] = ["span", "div", "span"].map((tag) => row.appendChild(document.createElement(tag)));
  const fill = track.appendChild(document.createElement("div"));
  name.textContent = text;
  track.className = "track";
  fill.className = "fill";
  fill.style.width = `${(100 * share).toFixed(2)}%`;
  end.textContent = figure;
  parent.append(row);
}

function fact(term, value, mono = false) {
  const [dt, dd] = ["dt", "dd"].map((tag) => element("facts").appendChild(document.createElement(tag)));
  dt.textContent = term;
  dd.textContent = value;
  if (mono) dd.className = "mono";
}

function open() {
  const bytes = Uint8Array.from(atob(element("ticket").textContent.trim()), (letter) => letter.charCodeAt(0));
  const start = performance.now();
  const ticket = readTicket(bytes);
  const weights = regenerate(ticket);
  const rebuilt = performance.now() - start;
  const digest = weightsDigest(weights);
  if (digest !== ticket.header.weights_sha256) throw new Error("the weights are not those that the ticket was made with");
  return { bytes, ticket, weights, rebuilt, digest };
}

function describe({ bytes, ticket, rebuilt, digest }) {
  const { header, layers } = ticket;
  const sum = (key) => layers.reduce((total, layer) => total + layer[key], 0);
  const size = sum("size");
  element("summary").textContent =
    `${header.model.name}: ${number.format(sum("kept"))} of ${number.format(size)} random weights, ` +
    `in ${number.format(bytes.length)} bytes; as float32 they would take ${number.format(4 * size)}.`;
  for (const [name, count] of Object.entries(ticket.parts)) {
    if (count) bar(element("parts"), name, count / bytes.length, number.format(count));
  }
  element("sizes").textContent = "Bytes of the file by what they are for.";
  const ofWeights = [["pruned by the seed", "pruned"], ["locked by the seed", "locked"], ["searched", "searched"]];
  for (const [text, key] of ofWeights) bar(element("weights"), text, sum(key) / size, number.format(sum(key)));
  fact("network", header.model.name);
  fact("sparsity", (1 - sum("kept") / size).toFixed(4));
  fact("seeds", `${header.seeds.weights} (weights), ${header.seeds.freezing} (freezing)`);
  for (const result of header.results ?? []) {
    if (typeof result.accuracy === "number") fact(`${result.part} accuracy`, `${result.accuracy} on ${result.data}`);
  }
  fact("rebuilt in", `${Math.round(rebuilt)} ms`);
  fact("weights verified", `SHA-256 ${digest}`, true);
  fact("file verified", `SHA-256 ${ticket.fileSha256}`, true);
}

/** Bring a picture to the network's input: scaled to cover it, its middle cut out, on white. */
function pixelsOf(source, width, height, [channels, rows, columns], fit) {
  const canvas = element("seen");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, columns, rows);
  // Both rules of the format for pictures: the whole height or width, or the middle 224 of 256 parts of it.
  const zoom = fit === "center-crop" ? Math.round((columns * 256) / 224) / columns : 1;
  const scale = zoom * Math.max(columns / width, rows / height);
  context.imageSmoothingEnabled = width !== columns || height !== rows;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, (columns - scale * width) / 2, (rows - scale * height) / 2, scale * width, scale * height);
  const { data } = context.getImageData(0, 0, columns, rows);
  const pixels = new Uint8Array(rows * columns * channels);
  for (let i = 0; i < rows * columns; i += 1) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    if (channels === 3) pixels.set([red, green, blue], 3 * i);
    else pixels[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16; // as ITU-R 601 weighs colours
  }
  return pixels;
}

function start() {
  const opened = open();
  const { ticket } = opened;
  const run = networkOf(ticket, opened.weights);
  const shape = ticket.header.model.input_shape;
  const names = ticket.header.classes ?? [];
  if (!["cover", "center-crop"].includes(ticket.header.input.fit)) throw new Error("pictures are fitted by a rule that this page does not know");
  describe(opened);

  function classify(pixels) {
    const began = performance.now();
    const scores = run(pixels);
    const shares = softmax(scores);
    const order = shares.map((_, index) => index).sort((a, b) => shares[b] - shares[a]);
    element("classes").replaceChildren();
    order.slice(0, SHOWN).forEach((index, rank) => {
      bar(element("classes"), names[index] ?? `class ${index}`, shares[index], `${(100 * shares[index]).toFixed(1)} %`, rank === 0);
    });
    element("time").textContent = `One picture in ${Math.round(performance.now() - began)} ms, on this machine.`;
    return { index: order[0], scores: Array.from(scores) };
  }

  const show = (source, width, height) => classify(pixelsOf(source, width, height, shape, ticket.header.input.fit));

  async function showFile(file) {
    try {
      const picture = await createImageBitmap(file); // turned as its orientation says
      show(picture, picture.width, picture.height);
      say("");
    } catch {
      say("This is no picture that the browser can read.");
    }
  }

  element("file").addEventListener("change", (event) => event.target.files[0] && showFile(event.target.files[0]));
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) showFile(file);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    element("drop").classList.add("over");
  });
  document.addEventListener("dragleave", () => element("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    element("drop").classList.remove("over");
    if (event.dataTransfer.files[0]) showFile(event.dataTransfer.files[0]);
  });
  useCamera(show);
  useSketch(show, shape[0] === 1);
  window.sltpack = { classify: (bytes) => classify(Uint8Array.from(bytes)), digest: opened.digest, rebuilt: opened.rebuilt };
}

function useCamera(show) {
  const video = element("video");
  let stream = null;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = true;
    element("take").hidden = true;
  };
  element("camera").addEventListener("click", async () => {
    if (stream) return stop();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      video.srcObject = stream;
      video.hidden = false;
      element("take").hidden = false;
      await video.play();
      say("");
    } catch {
      stop();
      say("There is no camera that this page may use.");
    }
    return undefined;
  });
  element("take").addEventListener("click", () => show(video, video.videoWidth, video.videoHeight));
}

function useSketch(show, dark) {
  const sketch = element("sketch");
  const context = sketch.getContext("2d", { willReadFrequently: true });
  const [paper, ink] = dark ? ["#000", "#fff"] : ["#fff", "#222"];
  let drawing = false;
  const clear = () => {
    context.fillStyle = paper;
    context.fillRect(0, 0, sketch.width, sketch.height);
  };
  const at = (event) => {
    const box = sketch.getBoundingClientRect();
    return [((event.clientX - box.left) * sketch.width) / box.width, ((event.clientY - box.top) * sketch.height) / box.height];
  };
  element("draw").addEventListener("click", () => {
    sketch.hidden = !sketch.hidden;
    element("clear").hidden = sketch.hidden;
    clear();
  });
  element("clear").addEventListener("click", clear);
  sketch.addEventListener("pointerdown", (event) => {
    drawing = true;
    sketch.setPointerCapture(event.pointerId);
    context.lineWidth = sketch.width / 9;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.strokeStyle = ink;
    context.beginPath();
    context.moveTo(...at(event));
  });
  sketch.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    context.lineTo(...at(event));
    context.stroke();
  });
  sketch.addEventListener("pointerup", () => {
    drawing = false;
    show(sketch, sketch.width, sketch.height);
  });
}

try {
  start();
} catch (error) {
  say(error.message);
  window.sltpack = { error: error.message };
}
