// The page: a query, words or a picture, and the drawings ranked by it.

import { probability } from "./calibration.js";
import { cosine, openModel } from "./model.js";

const element = (id) => document.getElementById(id);
const drawings = []; // { file, caption, row, tile }
let calibration = null;
let query = null; // { words } or { picture, shown, words }, with its `row` once there is one
let model = null;

function fail(error) {
  element("error").textContent = error.message;
  element("error").hidden = false;
}

function tileOf({ file, caption }) {
  const item = document.createElement("li");
  const tile = item.appendChild(document.createElement("button"));
  tile.className = "tile";
  tile.type = "button";
  const image = tile.appendChild(document.createElement("img"));
  image.src = `drawings/${file}`;
  image.alt = "";
  const line = tile.appendChild(document.createElement("span"));
  line.className = "caption";
  line.appendChild(document.createElement("span")).textContent = caption;
  line.appendChild(document.createElement("span")).className = "score";
  tile.appendChild(document.createElement("span")).className = "cosine";
  return item;
}

/** Show every drawing that has a row, the nearest first; equal cosines in the order of the list. */
function show() {
  const row = query?.row;
  const ready = drawings.filter((drawing) => drawing.row);
  const scored = ready.map((drawing) => ({ drawing, score: row ? cosine(row, drawing.row) : null }));
  if (row) scored.sort((one, other) => other.score - one.score);
  const prior = Number(element("expected").value) / drawings.length;
  const calibrated = Boolean(row && calibration && !query.shown);
  for (const { drawing, score } of scored) {
    const likely = calibrated ? probability(calibration, score, prior) : null;
    const [shown, below] = [drawing.tile.querySelector(".score"), drawing.tile.querySelector(".cosine")];
    const plain = score === null ? "" : `cos ${score.toFixed(3)}`;
    shown.textContent = calibrated ? percent(likely) : plain;
    below.textContent = calibrated ? plain : "";
    drawing.tile.classList.toggle("likely", calibrated && likely >= 0.5);
  }
  const focused = document.activeElement.closest?.("#hits .tile");
  element("hits").replaceChildren(...scored.map(({ drawing }) => drawing.tile));
  focused?.focus({ preventScroll: true }); // which a node loses where it moves
  element("prior").hidden = element("prior-words").hidden = !calibrated;
  element("expected-words").textContent = element("expected").value;
  const share = `${element("expected").value} of ${drawings.length}`;
  element("prior-words").textContent =
    `The percentage is the probability of a match where ${share} match; cos is the cosine.`;
  if (row && scored.length) {
    const best = `${scored[0].drawing.caption}, cosine ${scored[0].score.toFixed(3)}`;
    element("status").textContent = `${query.words}: first is ${best}`;
  }
}

function percent(share) {
  if (share < 0.01) return "< 1 %";
  return share > 0.99 ? "> 99 %" : `${Math.round(100 * share)} %`;
}

/** Search by words or by a picture; a later query takes the place of one still at work. */
async function ask(asked) {
  if (query?.shown?.startsWith("blob:")) URL.revokeObjectURL(query.shown);
  query = asked;
  element("error").hidden = true;
  element("asked").hidden = asked === null;
  element("asked-words").textContent = asked?.words ?? "";
  element("asked-picture").hidden = !asked?.shown;
  if (asked?.shown) element("asked-picture").src = asked.shown;
  if (asked === null) {
    element("status").textContent = "All drawings";
    drawings.sort((one, other) => one.place - other.place);
    show();
    return;
  }
  try {
    const opened = await model;
    asked.row ??= await (asked.picture
      ? opened.embedPicture(asked.picture)
      : opened.embedText(asked.words));
    if (query === asked) show();
  } catch (error) {
    if (query !== asked) return;
    await ask(null);
    fail(error);
  }
}

function askByFile(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) {
    fail(new Error("That is no picture; choose a PNG, JPEG or WebP."));
    return;
  }
  element("words").value = "";
  ask({ picture: file, shown: URL.createObjectURL(file), words: "Drawings like your picture" });
}

async function load() {
  model = openModel();
  const listed = await (await fetch("drawings.json")).json();
  listed.forEach(({ file, caption }, place) => {
    const drawing = { file, caption, place, tile: tileOf({ file, caption }) };
    drawing.tile.firstChild.addEventListener("click", () => {
      element("words").value = "";
      ask({ row: drawing.row, shown: `drawings/${file}`, words: `Drawings like ${caption}` });
      scrollTo({ top: 0 });
    });
    drawings.push(drawing);
  });
  const opened = await model;
  const fitted = opened.manifest.calibrations?.int8;
  // A probability belongs to the pixels it was fitted on; the page has the exact ones.
  calibration = fitted?.pixels === "exact" ? fitted : null;
  element("progress").max = listed.length;
  for (const [done, drawing] of [...drawings].entries()) {
    // One at a time, so that a query waits for one drawing and not for all.
    const blob = await (await fetch(`drawings/${drawing.file}`)).blob();
    drawing.row = await opened.embedPicture(blob);
    element("progress").value = done + 1;
    element("loading-words").textContent = `Embedding the drawings: ${done + 1} of ${listed.length}`;
    if (done % 10 === 9 || done + 1 === listed.length) show();
  }
  element("loading").hidden = true;
}

element("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = element("words").value.trim();
  ask(words ? { words } : null);
});
element("file").addEventListener("change", ({ target }) => {
  askByFile(target.files[0]);
  target.value = "";
});
element("clear").addEventListener("click", () => {
  element("words").value = "";
  ask(null);
  element("words").focus();
});
element("expected").addEventListener("input", show);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  element("words").select();
});
addEventListener("paste", ({ clipboardData }) => askByFile(clipboardData.files[0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  element("drop").hidden = false;
});
addEventListener("dragleave", ({ relatedTarget }) => {
  element("drop").hidden = relatedTarget === null;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  element("drop").hidden = true;
  askByFile(event.dataTransfer.files[0]);
});
load().catch((error) => {
  element("loading").hidden = true;
  fail(error);
});
