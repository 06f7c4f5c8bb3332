// Draws the pictures that come, the newest as soon as it is there, and asks for the next one.

const FRAME = 0;
const HEAD = 9;
const SMALLEST = 64;
const LARGEST_SIDE = 8192;
const LARGEST_AREA = 12e6;

export class Screen {
  constructor(stage, canvas, say) {
    this.stage = stage;
    this.canvas = canvas;
    this.say = say;
    this.context = canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.size = null;
    this.observer = new ResizeObserver(() => this.tellSize());
  }

  begin() {
    this.observer.observe(this.stage);
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => this.tellSize(), { once: true });
    this.tellSize();
  }

  end() {
    this.observer.disconnect();
  }

  tellSize() {
    const box = this.stage.getBoundingClientRect();
    let ratio = Math.min(Math.max(devicePixelRatio || 1, 1), 4);
    ratio = Math.min(ratio, Math.sqrt(LARGEST_AREA / Math.max(1, box.width * box.height)));
    ratio = Math.max(ratio, 0.5);
    const bounded = (side) => Math.min(Math.max(Math.floor(side * ratio), SMALLEST), LARGEST_SIDE);
    const size = { kind: "size", width: bounded(box.width), height: bounded(box.height), ratio };
    if (JSON.stringify(size) !== JSON.stringify(this.size)) {
      this.size = size;
      this.say(size);
    }
  }

  // Where a point of the page lies in the picture, in its pixels.
  place(x, y) {
    const box = this.canvas.getBoundingClientRect();
    const across = this.canvas.width / Math.max(1, box.width);
    return [Math.round((x - box.left) * across), Math.round((y - box.top) * across)];
  }

  async take(message) {
    const head = new DataView(message);
    const length = head.getUint32(5, true);
    if (head.getUint8(0) !== FRAME) {
      const name = new TextDecoder().decode(new Uint8Array(message, HEAD, length));
      save(name, new Blob([new Uint8Array(message, HEAD + length)]));
      return;
    }
    const number = head.getUint32(1, true);
    const width = head.getUint16(HEAD, true);
    const height = head.getUint16(HEAD + 2, true);
    const parts = await Promise.all(partsOf(message, head));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.canvas.style.width = `${width / (this.size?.ratio ?? 1)}px`;
    }
    for (const { left, top, bitmap } of parts) {
      this.context.drawImage(bitmap, left, top);
      bitmap.close();
    }
    this.say({ kind: "shown", frame: number });
    document.dispatchEvent(new CustomEvent("deepvis-frame", { detail: { number, source: length, bytes: message.byteLength } }));
  }
}

// What has changed since the last picture: JPEGs, each with its place.
function* partsOf(message, head) {
  let at = HEAD + 4;
  while (at < message.byteLength) {
    const [left, top, length] = [head.getUint16(at, true), head.getUint16(at + 2, true), head.getUint32(at + 4, true)];
    const jpeg = new Blob([new Uint8Array(message, at + 8, length)], { type: "image/jpeg" });
    yield createImageBitmap(jpeg).then((bitmap) => ({ left, top, bitmap }));
    at += 8 + length;
  }
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
