// Resampling of pixels in two passes of integers, as Pillow's src/libImaging/Resample.c and
// kernels/src/resample/ do it: the same bytes. The ends of a crop are float32, and so is the length
// between them; all else is double; weights have 22 fractional bits.

const WEIGHT_BITS = 22;

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function bicubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1; // Keys' convolution with a = -0.5
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Return the first source pixel and the weights of each of `length` target pixels. */
function taps(size, { start, stop, length }, filterName) {
  const filter = FILTERS[filterName];
  const begin = Math.fround(start);
  const scale = Math.fround(Math.fround(stop) - begin) / length;
  const stretch = Math.max(1, scale);
  const reach = filter.support * stretch;
  return Array.from({ length }, (_, at) => {
    const centre = begin + (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(size, Math.trunc(centre + reach + 0.5));
    const weights = new Float64Array(last - first);
    let sum = 0;
    for (let place = first; place < last; place++) {
      weights[place - first] = filter.weight((place - centre + 0.5) * (1 / stretch));
      sum += weights[place - first];
    }
    const rounded = Int32Array.from(weights, (weight) => {
      const scaled = (weight / sum) * (1 << WEIGHT_BITS);
      return Math.trunc(scaled + (scaled < 0 ? -0.5 : 0.5));
    });
    return { first, weights: rounded };
  });
}

/**
 * Resample one axis of bytes, of which a target byte depends on bytes `step` apart.
 * `lines` are the places of the first bytes of each line, in the source and in the target.
 */
function pass(source, target, lines, along, { from, to }) {
  for (const [sourceStart, targetStart] of lines) {
    for (let at = 0; at < along.length; at++) {
      const { first, weights } = along[at];
      let sum = 1 << (WEIGHT_BITS - 1);
      for (let tap = 0, place = sourceStart + first * from; tap < weights.length; tap++) {
        sum += source[place] * weights[tap];
        place += from;
      }
      target[targetStart + at * to] = Math.min(255, Math.max(0, sum >> WEIGHT_BITS));
    }
  }
}

function* rowLines(rows, source, target) {
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < 3; channel++) {
      yield [row * source.stride + channel, row * target.stride + channel];
    }
  }
}

function* columnLines(columns, source, target) {
  for (let column = 0; column < columns; column++) {
    for (let channel = 0; channel < 3; channel++) {
      yield [column * source.step + channel, column * target.step + channel];
    }
  }
}

/**
 * Return the part of an axis that a crop depends on, `first` to `last`, and the crop within it.
 * The second pass has the places there, not in the whole image: as float32 they may differ.
 */
function partOf({ start, stop, length }, size, filterName) {
  const reach = FILTERS[filterName].support * Math.max(1, (stop - start) / length) + 1;
  const first = Math.max(0, Math.trunc(start - reach));
  const last = Math.min(size, Math.trunc(stop + reach) + 1);
  return { first, last, crop: { start: start - first, stop: stop - first, length } };
}

/**
 * Resample a crop of pixels to bytes [vertical.length, horizontal.length, 3].
 *
 * `image` has `width`, `height` and `bytes` [height, width, 4], of which the fourth is ignored; an
 * axis of the crop has `start`, `stop` and `length`.
 */
export function resample(image, { horizontal, vertical, verticalFirst }, filterName) {
  const [width, height] = [horizontal.length, vertical.length];
  const made = new Uint8Array(height * width * 3);
  const stride = 4 * image.width;
  if (verticalFirst) {
    const part = partOf(horizontal, image.width, filterName);
    const source = image.bytes.subarray(4 * part.first);
    const between = new Uint8Array(height * stride);
    const down = taps(image.height, vertical, filterName);
    const columns = columnLines(part.last - part.first, { step: 4 }, { step: 4 });
    pass(source, between, columns, down, { from: stride, to: stride });
    const across = taps(part.last - part.first, part.crop, filterName);
    pass(between, made, rowLines(height, { stride }, { stride: 3 * width }), across, { from: 4, to: 3 });
    return made;
  }
  const part = partOf(vertical, image.height, filterName);
  const source = image.bytes.subarray(stride * part.first);
  const between = new Uint8Array((part.last - part.first) * width * 3);
  const across = taps(image.width, horizontal, filterName);
  const rows = rowLines(part.last - part.first, { stride }, { stride: 3 * width });
  pass(source, between, rows, across, { from: 4, to: 3 });
  const down = taps(part.last - part.first, part.crop, filterName);
  const columns = columnLines(width, { step: 3 }, { step: 3 });
  pass(between, made, columns, down, { from: 3 * width, to: 3 * width });
  return made;
}
