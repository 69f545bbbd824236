// One picture in a dialog: its view, its match, its near duplicates, and labels that share it out.
import { post } from "/asking.js";
import { $, make, percent, sentence } from "/elements.js";

const LABELS = "twinlens.labels";

let page; // acts of the page: {visible, match, thumbnail, search, hitAt, path}
let tile; // tile of the open picture
let hit; // the picture shown: that of the tile, or a near duplicate of it

export const openPicture = (opened) => {
  tile = opened;
  show(page.hitAt(tile.place));
  const shown = page.visible();
  $("before").disabled = shown[0] === tile;
  $("after").disabled = shown.at(-1) === tile;
  $("twins").hidden = tile.twins.length === 0;
  $("twins-words").textContent = tile.twins.length === 1 ? "1 near duplicate" : `${tile.twins.length} near duplicates`;
  $("twin-list").replaceChildren(...tile.twins.map((place) => twin(page.hitAt(place))));
  if (!$("detail").open) $("detail").showModal();
};

// Open the picture so many places further.
export const stepPicture = (by) => {
  const shown = page.visible();
  const next = shown[shown.indexOf(tile) + by];
  if (next) openPicture(next);
};

const twin = (other) => {
  const item = make("li"), button = make("button", "twin");
  button.type = "button";
  button.setAttribute("aria-label", other.title);
  button.append(page.thumbnail(other, button));
  button.addEventListener("click", () => show(other));
  item.append(button);
  return item;
};

const show = (next) => {
  hit = next;
  const big = $("big");
  big.parentElement.classList.remove("gone");
  big.src = `/views/${hit.ref}`;
  big.alt = hit.title;
  $("name").textContent = hit.title;
  $("path").textContent = hit.path;
  $("copy").textContent = "Copy its path";
  $("match").textContent = page.match(hit);
  $("match").hidden = hit.cosine === null;
  $("shares").replaceChildren();
  $("labels-words").textContent = "";
};

const shareOut = async () => {
  const labels = [...new Set($("list").value.split(",").map((one) => one.trim()).filter(Boolean))];
  $("shares").replaceChildren();
  if (labels.length < 2) { $("labels-words").textContent = "Write two labels or more, with commas between them."; return; }
  remember($("list").value);
  const asked = hit;
  try {
    const { shares } = await post("/labels", { ref: asked.ref, labels });
    if (hit !== asked) return;
    $("labels-words").textContent = "Shares of these labels alone; no probabilities.";
    $("shares").replaceChildren(...shares.map(share));
  } catch (error) {
    if (hit === asked) $("labels-words").textContent = sentence(error.message);
  }
};

const share = ({ label, share }) => {
  const item = make("li"), track = make("span", "meter"), part = make("i");
  part.style.setProperty("--part", share.toFixed(4));
  track.append(part);
  item.append(make("span", "", label), make("span", "value", percent(share)), track);
  return item;
};

// A browser may refuse to keep anything; the labels are then typed again.
const remember = (labels) => { try { localStorage.setItem(LABELS, labels); } catch { /* as said */ } };
const remembered = () => { try { return localStorage.getItem(LABELS) ?? ""; } catch { return ""; } };

const copyPath = async () => {
  const written = navigator.clipboard.writeText(page.path(hit));
  $("copy").textContent = await written.then(() => "Copied", () => "The browser refuses");
};

export const beginPicture = (acts) => {
  page = acts;
  $("list").value = remembered();
  $("big").addEventListener("error", () => $("big").parentElement.classList.add("gone"));
  $("before").addEventListener("click", () => stepPicture(-1));
  $("after").addEventListener("click", () => stepPicture(1));
  $("close").addEventListener("click", () => $("detail").close());
  $("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
  $("detail").addEventListener("close", () => { $("big").removeAttribute("src"); tile?.item.firstElementChild.focus(); });
  $("similar").addEventListener("click", () => { $("detail").close(); page.search({ kind: "like", ref: hit.ref, title: hit.title }); });
  $("copy").addEventListener("click", copyPath);
  $("labels").addEventListener("submit", (event) => { event.preventDefault(); shareOut(); });
};
