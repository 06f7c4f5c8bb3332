// What a network sees of a picture, as Preprocessing.fit and OpenCV's resizing make it.

function halfToEven(number) {
  const floor = Math.floor(number), rest = number - floor;
  if (rest !== 0.5) return Math.round(number);
  return floor % 2 ? floor + 1 : floor;
}

/** The largest centred rectangle with the aspect of `size` [height, width], a fraction of it. */
export function centreCrop(width, height, size, fraction) {
  const unit = Math.min(height / size[0], width / size[1]) * fraction;
  const rows = Math.max(1, halfToEven(size[0] * unit)), columns = Math.max(1, halfToEven(size[1] * unit));
  return { x: Math.floor((width - columns) / 2), y: Math.floor((height - rows) / 2), width: columns, height: rows };
}

const KERNELS = {
  linear(place, most) {
    const first = Math.floor(place), part = place - first;
    if (first < 0) return [[0, 1]];
    return first >= most ? [[most, 1]] : [[first, 1 - part], [first + 1, part]];
  },
  cubic(place, most) { // Keys 1981, a = -0.75
    const first = Math.floor(place), t = place - first, a = -0.75, u = 1 - t;
    const near = (x) => ((a + 2) * x - (a + 3)) * x * x + 1, far = (x) => ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    const weights = [far(t), near(t), near(u)];
    weights.push(1 - weights[0] - weights[1] - weights[2]);
    return weights.map((weight, tap) => [Math.min(most, Math.max(0, first - 1 + tap)), weight]);
  },
};

function taps(from, to, method) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
    if (method !== "area") return KERNELS[method]((place + 0.5) * scale - 0.5, from - 1);
    const start = place * scale, end = Math.min(from, start + scale), found = [];
    for (let pixel = Math.floor(start); pixel < end; pixel++) {
      const share = Math.min(pixel + 1, end) - Math.max(pixel, start);
      if (share > 1e-3) found.push([pixel, share / (end - start)]);
    }
    return found;
  });
}

/** Return RGBA pixels (height, width, 4) as RGB values of 0 to 255, float32 (rows, columns, 3), `size` being [rows, columns]. */
export function fitted(pixels, width, height, size) {
  const [rows, columns] = size, factor = Math.max(height / rows, width / columns);
  const method = factor < 1 ? "cubic" : factor < 2 ? "linear" : "area";
  const across = taps(width, columns, method), down = taps(height, rows, method);
  const isSame = height === rows && width === columns;
  const narrow = new Float32Array(height * columns * 3), made = new Float32Array(rows * columns * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < columns; x++) {
      const to = (y * columns + x) * 3;
      for (const [pixel, weight] of isSame ? [[x, 1]] : across[x]) {
        const from = (y * width + pixel) * 4;
        narrow[to] += weight * pixels[from];
        narrow[to + 1] += weight * pixels[from + 1];
        narrow[to + 2] += weight * pixels[from + 2];
      }
    }
  }
  if (isSame) return narrow;
  for (let y = 0; y < rows; y++) {
    const to = y * columns * 3;
    for (const [row, weight] of down[y]) {
      const from = row * columns * 3;
      for (let x = 0; x < columns * 3; x++) made[to + x] += weight * narrow[from + x];
    }
  }
  for (let place = 0; place < made.length; place++) made[place] = Math.min(255, Math.max(0, Math.round(made[place])));
  return made;
}
