// Computes the network beside the page, with ONNX Runtime: a picture in, one layer and the classes out.
import { fitted } from "./fit.js";
import * as ort from "./runtime/ort.wasm.min.mjs";

let session, data;

function checkPicture([rows, columns]) {
  const made = new Float32Array(rows * columns * 3);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      for (let colour = 0; colour < 3; colour++)
        made[(y * columns + x) * 3 + colour] = (7 * x + 13 * y + 29 * colour + Math.floor((x * y) / 8)) % 256;
  return made;
}

function computed(pixels, names) {
  return session.run({ [data.pixels]: new ort.Tensor("float32", pixels, [...data.size, 3]) }, names);
}

/** How far layers' mean sizes are from those that the program found for the same picture, at most, and where. */
async function farthest() {
  const found = await computed(checkPicture(data.size), data.layers.map((layer) => layer.output));
  let most = { share: 0, layer: "" };
  for (const layer of data.layers) {
    const values = found[layer.output].data;
    let sum = 0;
    for (const value of values) sum += Math.abs(value);
    const share = Math.abs(sum / values.length - layer.mean) / Math.max(layer.mean, 1e-6);
    if (!(share <= most.share)) most = { share, layer: layer.name };
  }
  return most;
}

async function open(given) {
  data = given;
  ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1)) : 1;
  const began = performance.now();
  session = await ort.InferenceSession.create(new URL("./network.onnx", import.meta.url).href, { executionProviders: ["wasm"] });
  return { kind: "ready", seconds: (performance.now() - began) / 1000, threads: ort.env.wasm.numThreads, ...await farthest() };
}

async function look({ pixels, width, height, layer, output, number }) {
  const seen = fitted(new Uint8ClampedArray(pixels), width, height, data.size), began = performance.now();
  const found = await computed(seen.slice(), [output, ...(data.probabilities ? [data.probabilities] : [])]);
  return { kind: "seen", seen, layer, number, values: found[output].data, milliseconds: performance.now() - began,
    probabilities: data.probabilities ? found[data.probabilities].data : null };
}

self.onmessage = async ({ data: asked }) => {
  try {
    self.postMessage(asked.kind === "open" ? await open(asked.data) : await look(asked));
  } catch (error) {
    self.postMessage({ kind: "failed", why: String(error?.message ?? error) });
  }
};
