// A model in a worker: texts and pictures to unit rows.

/** Open the bundle beside the page; `embedText` takes words, `embedPicture` a Blob. */
export function openModel() {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let asked = 0;

  function ask(kind, value) {
    asked += 1;
    const number = asked;
    return new Promise((resolve, reject) => {
      waiting.set(number, { resolve, reject });
      worker.postMessage({ number, kind, value });
    });
  }

  return new Promise((resolve, reject) => {
    worker.onerror = () => reject(new Error("The model's worker did not start; build the page anew."));
    worker.onmessage = ({ data }) => {
      const { number, row, manifest, failure } = data;
      const caller = waiting.get(number) ?? { resolve, reject };
      waiting.delete(number);
      if (failure !== undefined) caller.reject(new Error(failure));
      else if (number !== undefined) caller.resolve(row);
      else {
        resolve({
          manifest,
          embedText: (words) => ask("text", words),
          embedPicture: (blob) => ask("picture", blob),
        });
      }
    };
  });
}

/** Return the cosine of two unit rows, in double precision. */
export function cosine(row, other) {
  return row.reduce((sum, value, at) => sum + value * other[at], 0);
}
