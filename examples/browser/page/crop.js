// The part of an image that a bundle's image tower sees, and its pixels: shortest_edge, squash, pad.

import { resample } from "./resample.js";

/** Round half to even, as Python does. */
function round(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** Return the pixels that the whole of an axis becomes. */
function resized(length, [width, height], spec) {
  if (spec.resize === "squash") return spec.side_px;
  if (spec.resize === "pad") {
    return Math.max(1, round(length / (Math.max(width, height) / spec.side_px)));
  }
  return Math.floor((spec.side_px * length) / Math.min(width, height));
}

function axisCrop(length, whole, spec) {
  const side = spec.side_px;
  if (spec.resize === "squash") return { start: 0, stop: length, length: side, offset: 0 };
  if (spec.resize === "pad") {
    return { start: 0, stop: length, length: whole, offset: Math.floor((side - whole) / 2) };
  }
  const spare = whole - side;
  const first = spec.crop === "floor" ? Math.floor(spare / 2) : round(spare / 2);
  const scale = length / whole;
  return { start: first * scale, stop: (first + side) * scale, length: side, offset: 0 };
}

/** Pillow 13 begins with the height of an image that loses more of it than twice of its width. */
function heightFirst([width, height], [newWidth, newHeight], passes) {
  if (passes === "width_first") return false;
  return height > newHeight && height - newHeight > 2 * (width - newWidth);
}

/** Return the crop of the manifest's image spec, for `resample`; each axis has its `offset` too. */
export function cropBox(width, height, spec) {
  const size = [width, height];
  const whole = size.map((length) => resized(length, size, spec));
  return {
    horizontal: axisCrop(width, whole[0], spec),
    vertical: axisCrop(height, whole[1], spec),
    verticalFirst: heightFirst(size, whole, spec.passes),
  };
}

/** Return the bytes [S, S, 3] of an image's `width`, `height` and `bytes` [height, width, 4]. */
export function pixelsOf(image, spec) {
  const crop = cropBox(image.width, image.height, spec);
  const part = resample(image, crop, spec.interpolation);
  const { horizontal, vertical } = crop;
  const side = spec.side_px;
  if (horizontal.length === side && vertical.length === side) return part;
  const padded = Uint8Array.from({ length: side * side * 3 }, (_, at) => spec.fill[at % 3]);
  for (let row = 0; row < vertical.length; row++) {
    const line = part.subarray(3 * row * horizontal.length, 3 * (row + 1) * horizontal.length);
    padded.set(line, 3 * ((vertical.offset + row) * side + horizontal.offset));
  }
  return padded;
}
