// The towers, off the page's thread: a message is one text or one picture, an answer its unit row.

import * as ort from "./vendor/onnxruntime.js";
import { pixelsOf } from "./crop.js";
import { decode } from "./decode.js";
import { openTokenizer } from "./tokenizer.js";

const INT8 = { executionProviders: ["wasm"], logSeverityLevel: 3 };
// More threads would need a page isolated from other origins, which a plain static server lacks.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL("./vendor/onnxruntime.wasm", import.meta.url).href };

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is not on the server (${answer.status}); build the page anew.`);
  return answer;
}

async function open() {
  const manifest = await (await fetched("bundle/twinlens.json")).json();
  const json = await (await fetched(`bundle/${manifest.text.tokenizer}`)).json();
  const towers = manifest.towers.int8;
  const [image, text] = [await openTower(towers.image), await openTower(towers.text)];
  const encode = openTokenizer(json, manifest.text);
  return {
    manifest,
    async text(words) {
      const ids = encode(words);
      return text("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
    },
    async picture(blob) {
      const { side_px: side } = manifest.image;
      return image("uint8", pixelsOf(await decode(blob), manifest.image), [1, side, side, 3]);
    },
  };
}

/** Open a tower as a function from its input to the unit row of its output. */
async function openTower({ file, input, output }) {
  const bytes = new Uint8Array(await (await fetched(`bundle/${file}`)).arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, INT8);
  return async (dtype, values, shape) => {
    const found = await session.run({ [input]: new ort.Tensor(dtype, values, shape) });
    const row = found[output].data;
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    return Float32Array.from(row, (value) => value / length);
  };
}

const opened = open();
opened.then(
  ({ manifest }) => postMessage({ manifest }),
  (error) => postMessage({ failure: error.message }),
);

let last = opened;
// A session runs one input at a time.
onmessage = ({ data: { number, kind, value } }) => {
  last = last
    .catch(() => {})
    .then(async () => (await opened)[kind](value))
    .then(
      (row) => postMessage({ number, row }),
      (error) => postMessage({ number, failure: error.message }),
    );
};
