// The live page: the camera or a picture, the maps of a layer, the classes. All is computed in a worker of this page.
import { centreCrop } from "./fit.js";

const MOST_CLASSES = 5, SECONDS_FOR_A_RATE = 3, FARTHEST = 1e-3;
const data = window.atlasLive, layers = new Map(data.layers.map((layer) => [layer.name, layer]));
const at = (id) => document.getElementById(id);
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const grabbed = document.createElement("canvas"), grabbing = grabbed.getContext("2d", { willReadFrequently: true });
let source = null, stream = null, isBusy = true, number = 0, unit = 0, last = null, times = [], aspect = 1.4;

function tell(text) { at("told").textContent = text; }

// -- the source ---------------------------------------------------------------------------------------------------------

function sizeOf(from) { return from instanceof HTMLVideoElement ? [from.videoWidth, from.videoHeight] : [from.width, from.height]; }

function lookAgain() {
  if (isBusy || !source) return;
  const [width, height] = sizeOf(source);
  if (!width) { requestAnimationFrame(lookAgain); return; }
  const crop = centreCrop(width, height, data.size, data.crop);
  if (grabbed.width !== crop.width || grabbed.height !== crop.height) Object.assign(grabbed, { width: crop.width, height: crop.height });
  grabbing.drawImage(source, crop.x, crop.y, crop.width, crop.height, 0, 0, crop.width, crop.height);
  const pixels = grabbing.getImageData(0, 0, crop.width, crop.height).data.buffer;
  isBusy = true;
  const layer = at("layer").value, { output } = layers.get(layer);
  worker.postMessage({ kind: "look", pixels, width: crop.width, height: crop.height, layer, output, number: ++number }, [pixels]);
}

function endCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  times = [];
  at("camera").textContent = "Camera";
  at("rate").textContent = "";
}

async function toggleCamera() {
  if (stream) { endCamera(); source = null; return; }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "environment" } });
  } catch (error) {
    tell(`No camera: ${error.message}. Browsers give it to https and to localhost only.`);
    return;
  }
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  at("camera").textContent = "Stop the camera";
  source = video;
  lookAgain();
}

async function choose(file) {
  if (!file) return;
  try {
    source = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    tell(`${file.name} is no picture that this browser can read.`);
    return;
  }
  endCamera();
  lookAgain();
}

// -- drawing ------------------------------------------------------------------------------------------------------------

/** Where the units' maps of a layer lie: in `columns`, `right` and `down` pixels from one to the next. */
function sheetOf({ shape }) {
  const [units, height, width] = shape.length === 3 ? shape : [shape[0], 1, 1], gap = height * width > 1 ? 1 : 0;
  const right = width + gap, down = height + gap;
  const columns = Math.max(1, Math.min(units, Math.round(Math.sqrt((units * aspect * down) / right))));
  return { units, height, width, right, down, columns, wide: columns * right - gap, high: Math.ceil(units / columns) * down - gap };
}

function paint(image, left, top, values, from, [height, width], most) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const share = Math.max(-1, Math.min(1, values[from + y * width + x] / most)), to = ((top + y) * image.width + left + x) * 4;
      const light = Math.max(0, share) * 255;
      image.data[to] = light + Math.max(0, -share) * 60;
      image.data[to + 1] = light + Math.max(0, -share) * 130;
      image.data[to + 2] = light + Math.max(0, -share) * 255;
      image.data[to + 3] = 255;
    }
  }
}

function largestOf(values) {
  let most = 1e-12;
  for (const value of values) if (Math.abs(value) > most && Number.isFinite(value)) most = Math.abs(value);
  return most;
}

function drawMaps(layer, values) {
  const { units, height, width, right, down, columns, wide, high } = sheetOf(layer), canvas = at("maps"), most = largestOf(values);
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const image = new ImageData(wide, high);
  for (let each = 0; each < units; each++) {
    paint(image, (each % columns) * right, Math.floor(each / columns) * down, values, each * height * width, [height, width], most);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  const alone = at("selected").querySelector("canvas"), one = new ImageData(width, height);
  paint(one, 0, 0, values, unit * height * width, [height, width], most);
  alone?.getContext("2d").putImageData(one, 0, 0);
  const own = values.subarray(unit * height * width, (unit + 1) * height * width);
  if (alone) at("value").textContent = `largest value ${own.reduce((one, other) => Math.max(one, other), -Infinity).toPrecision(3)}`;
}

function drawSeen(seen) {
  const [rows, columns] = data.size, image = new ImageData(columns, rows);
  for (let place = 0; place < rows * columns; place++) {
    for (let colour = 0; colour < 3; colour++) image.data[place * 4 + colour] = seen[place * 3 + colour];
    image.data[place * 4 + 3] = 255;
  }
  Object.assign(at("seen"), { width: columns, height: rows }).getContext("2d").putImageData(image, 0, 0);
}

function drawClasses(probabilities) {
  const order = [...probabilities.keys()].sort((one, other) => probabilities[other] - probabilities[one]).slice(0, MOST_CLASSES);
  at("classes").tBodies[0].replaceChildren(...order.map((each) => {
    const row = document.createElement("tr");
    row.insertCell().textContent = data.labels[each] || `class ${each}`;
    row.insertCell().textContent = `${(100 * probabilities[each]).toFixed(1)} %`;
    return row;
  }));
}

function drawRate() {
  const now = performance.now();
  times = [...times.filter((time) => now - time < 1000 * SECONDS_FOR_A_RATE), now];
  if (times.length > 1) at("rate").textContent = `${((1000 * (times.length - 1)) / (now - times[0])).toFixed(1)} frames a second`;
}

function show(answer) {
  last = answer;
  const layer = layers.get(answer.layer);
  if (answer.layer === at("layer").value) drawMaps(layer, answer.values);
  drawSeen(answer.seen);
  if (answer.probabilities) drawClasses(answer.probabilities);
  if (stream) drawRate();
  document.dispatchEvent(new CustomEvent("deepvis-live", { detail: answer }));
}

// -- units --------------------------------------------------------------------------------------------------------------

function mark() {
  const layer = layers.get(at("layer").value), { height, width, right, down, columns, wide, high } = sheetOf(layer);
  const percent = (part, of) => `${(100 * part) / of}%`;
  Object.assign(at("mark").style, {
    left: percent((unit % columns) * right, wide), top: percent(Math.floor(unit / columns) * down, high),
    width: percent(width, wide), height: percent(height, high) });
  at("mark").hidden = false;
  const heading = document.createElement("h2"), address = `${layer.name}:${unit}`, name = layer.names[unit];
  const link = Object.assign(document.createElement(layer.href ? "a" : "span"), { textContent: name ? `${address} · ${name}` : address });
  if (layer.href) link.href = `${layer.href}#${unit}`;
  heading.append(link);
  const parts = [Object.assign(document.createElement("canvas"), { width, height }), Object.assign(document.createElement("p"), { id: "value", className: "quiet" }), heading];
  if (layer.preferred[unit]) parts.push(Object.assign(document.createElement("img"), { src: layer.preferred[unit], alt: `preferred images of ${name || address}` }));
  at("selected").replaceChildren(...parts);
  at("selected").hidden = false;
  if (last?.layer === layer.name) drawMaps(layer, last.values);
}

function select(next) {
  const units = layers.get(at("layer").value).shape[0];
  unit = Math.max(0, Math.min(units - 1, next));
  mark();
}

/** Let the sheet of maps fill what the window has left for it. */
function fill() {
  const box = at("maps").parentElement.getBoundingClientRect();
  aspect = Math.max(0.5, Math.min(2.5, box.width / Math.max(300, window.innerHeight - box.top - window.scrollY - 60)));
}

function goTo(name) {
  at("layer").value = name;
  fill();
  select(0);
  lookAgain();
}

function click(event) {
  const { units, right, down, columns, wide, high } = sheetOf(layers.get(at("layer").value)), box = at("maps").getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * wide / right);
  const found = Math.floor(((event.clientY - box.top) / box.height) * high / down) * columns + column;
  if (found < units) select(found);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|BUTTON)$/.test(event.target.tagName)) return;
  const { columns } = sheetOf(layers.get(at("layer").value)), names = [...layers.keys()], now = names.indexOf(at("layer").value);
  const step = { ArrowLeft: -1, j: -1, ArrowRight: 1, l: 1, ArrowUp: -columns, i: -columns, ArrowDown: columns, k: columns }[event.key];
  if (step) { select(unit + step); event.preventDefault(); }
  const other = names[now + ({ u: -1, o: 1 }[event.key] ?? NaN)];
  if (other) goTo(other);
}

// -- beginning ----------------------------------------------------------------------------------------------------------

function begin({ seconds, threads, share, layer }) {
  for (const control of ["camera", "file", "layer"]) at(control).disabled = false;
  isBusy = false;
  fill();
  tell(share <= FARTHEST ? `Ready: opened in ${seconds.toFixed(1)} s, ${threads} thread${threads === 1 ? "" : "s"}. The values of a test picture are those of the program.`
    : `Careful: this browser computes something else than the program, in ${layer} by ${(100 * share).toPrecision(2)} % for a test picture.`);
}

worker.onerror = (event) => tell(`The network cannot be computed here: ${event.message || "the worker's script did not load"}.`);
worker.onmessage = ({ data: answer }) => {
  if (answer.kind === "failed") { isBusy = false; tell(`The network cannot be computed here: ${answer.why}`); return; }
  if (answer.kind === "ready") { begin(answer); return; }
  isBusy = false;
  show(answer);
  if (stream || answer.layer !== at("layer").value) requestAnimationFrame(lookAgain);
};

at("layer").append(...data.layers.map((layer) => new Option(`${layer.name}  ${layer.shape.join("×")}`, layer.name)));
at("layer").addEventListener("change", (event) => goTo(event.target.value));
at("camera").addEventListener("click", toggleCamera);
at("file").addEventListener("change", (event) => choose(event.target.files[0]));
at("maps").addEventListener("click", click);
document.addEventListener("keydown", press);
window.addEventListener("resize", () => { fill(); if (!at("selected").hidden) mark(); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => { event.preventDefault(); choose(event.dataTransfer.files[0]); });
tell("Loading the network …");
worker.postMessage({ kind: "open", data });
