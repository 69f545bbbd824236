// Encoded pictures to bytes [height, width, 4], upright, on a white ground.

const MOST_PIXELS = 64e6; // as the runtime's Limits

/** Decode a Blob; profiles are ignored, as the runtime does, and an animation is its first frame. */
export async function decode(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error("This browser cannot read that as a picture; choose a PNG, JPEG or WebP.");
  }
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) {
      throw new Error(`The picture has ${width} x ${height} pixels, wanted at most 64 million.`);
    }
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    // The canvas keeps colours multiplied by their alpha: over white they lose at most one level.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return { width, height, bytes: context.getImageData(0, 0, width, height).data };
  } finally {
    bitmap.close();
  }
}
