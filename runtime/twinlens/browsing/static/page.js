// The page: asks for hits, shows them, and tells probabilities for the prior that the user sets.
import { Refusal, ask, post } from "/asking.js";
import { beginDropping } from "/dropping.js";
import { $, make, number, percent, pictures, sentence } from "/elements.js";
import { beginPicture, openPicture, stepPicture } from "/picture.js";

const COUNT = 60; // hits of a page
const TYPING_MS = 120; // a pause in the typing that is worth a search
const WAITING_MS = 180; // a wait that is worth telling

let library = { pictures: 0, expected: 1, uncalibrated: null, level: "none" };
let steps = [1]; // values of the slider of expected matches
let query = { kind: "all" };
let hits = []; // hits so far, best first
let tiles = []; // {place, item, value, meter, badge, twins} of hits that are not folded
let byPlace = new Map();
let more = false;
let busy = null; // AbortController of the request at work

const tellError = (error) => {
  $("error").hidden = !error;
  $("error").textContent = error ? sentence(error.message) : "";
};

// ---- probabilities

const isCalibrated = () => hits.length > 0 && hits[0].evidence !== null;
const expected = () => steps[$("expected").valueAsNumber] ?? library.expected;
const least = () => (isCalibrated() ? $("least").valueAsNumber / 100 : 0);
const probability = (hit) => {
  // The prior is the expected number of matches over all pictures; a half at most.
  const prior = Math.min(0.5, expected() / Math.max(1, library.pictures));
  return 1 / (1 + Math.exp(-(hit.evidence + Math.log(prior / (1 - prior)))));
};
const isShown = (hit) => hit.evidence === null || probability(hit) >= least();
const value = (hit) => (hit.evidence !== null ? percent(probability(hit)) : hit.cosine !== null ? `cos ${hit.cosine.toFixed(2)}` : "");

// ---- showing

const thumbnail = (hit, frame) => {
  const image = make("img");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.width = image.height = 256;
  image.addEventListener("error", () => frame.classList.add("gone"));
  image.src = `/thumbnails/${hit.ref}`;
  return image;
};

const rootOf = (place) => {
  while (hits[place].near !== null && byPlace.has(place) === false) place = hits[place].near;
  return place;
};

const tileOf = (place) => {
  const hit = hits[place];
  const item = make("li", "tile");
  const button = make("button");
  button.type = "button";
  const frame = make("span", "frame");
  frame.append(thumbnail(hit, frame));
  const line = make("span", "line");
  const title = make("span", "title", hit.title);
  title.title = hit.title;
  const shown = make("span", "value");
  line.append(title, shown);
  button.append(frame, line);
  let meter = null;
  if (hit.evidence !== null) {
    const track = make("span", "meter");
    meter = make("i");
    track.append(meter);
    button.append(track);
  }
  const tile = { place, item, frame, value: shown, meter, badge: null, twins: [] };
  button.addEventListener("click", () => openPicture(tile));
  item.append(button);
  return tile;
};

const fold = (tile, place) => {
  tile.twins.push(place);
  if (!tile.badge) {
    tile.badge = make("span", "badge");
    tile.frame.append(tile.badge);
    tile.item.classList.add("folded");
  }
  tile.badge.textContent = `+${tile.twins.length}`;
  tile.badge.title = `${tile.twins.length} near duplicates`;
};

const refreshTile = (tile) => {
  const hit = hits[tile.place];
  tile.item.hidden = !isShown(hit);
  tile.value.textContent = value(hit);
  if (tile.meter) {
    const share = probability(hit);
    tile.meter.style.setProperty("--part", share.toFixed(4));
    tile.item.classList.toggle("likely", share >= 0.5);
  }
};

const append = (found) => {
  const fresh = [];
  for (const hit of found) {
    const place = hits.push(hit) - 1;
    if (hit.near !== null) {
      fold(byPlace.get(rootOf(place)), place);
      continue;
    }
    const tile = tileOf(place);
    byPlace.set(place, tile);
    tiles.push(tile);
    fresh.push(tile);
  }
  fresh.forEach(refreshTile);
  $("hits").append(...fresh.map((tile) => tile.item));
};

const clearHits = () => {
  hits = [];
  tiles = [];
  byPlace = new Map();
  $("hits").replaceChildren();
};

const showWaiting = () => {
  if (hits.length) return;
  $("empty").hidden = true;
  $("hits").replaceChildren(...Array.from({ length: 12 }, () => {
    const item = make("li", "tile waiting");
    item.setAttribute("aria-hidden", "true");
    item.append(make("span", "frame"), make("span", "line"));
    return item;
  }));
};

const words = () => {
  if (query.kind === "words") return query.minus?.length ? `“${query.plus.join("” and “")}”, away from “${query.minus.join("” and “")}”` : `“${(query.plus ?? [query.words]).join("” and “")}”`;
  if (query.kind === "like") return query.title ? `pictures like “${query.title}”` : "pictures like this one";
  return query.kind === "dropped" ? "pictures like yours" : "";
};

const match = (hit) => {
  if (hit.cosine === null) return "";
  if (hit.evidence === null) return `Cosine ${hit.cosine.toFixed(3)} with ${words()}`;
  return `${percent(probability(hit))} likely to match ${words()}, cosine ${hit.cosine.toFixed(3)}`;
};

// Parts of the status: text, and names that stand out.
const tell = (...parts) => {
  $("status").replaceChildren(...parts.map((part) => (Array.isArray(part) ? make("b", "", part[0]) : part)));
};

const refresh = () => {
  tiles.forEach(refreshTile);
  const shown = tiles.filter((tile) => !tile.item.hidden).length;
  const last = hits.at(-1);
  const goesOn = more && (!last || isShown(last));
  $("more").hidden = !goesOn;
  for (const control of document.querySelectorAll(".calibrated")) control.hidden = !isCalibrated();
  $("least-words").textContent = `${$("least").value} %`;
  const about = `about ${number(expected())} ${expected() === 1 ? "match" : "matches"}`;
  $("expected-words").textContent = about;
  $("expected").setAttribute("aria-valuetext", about);
  $("least").setAttribute("aria-valuetext", `${$("least").value} percent`);
  tellStatus(shown, goesOn);
  tellNote();
  tellEmpty(shown);
};

const tellStatus = (shown, goesOn) => {
  const folded = hits.length - tiles.length;
  const behind = folded ? `, ${number(folded)} folded` : "";
  if (query.kind === "all") tell([pictures(library.pictures)], ` in ${library.folder}, newest first`);
  else if (isCalibrated() && least() > 0) tell([`${number(shown)}${goesOn ? " or more" : ""}`], ` at ${$("least").value} % or more for ${words()}${behind}`);
  else if (!more) tell("All ", [pictures(library.pictures)], `, the best first, for ${words()}${behind}`);
  else tell("The best ", [number(shown)], ` of ${pictures(library.pictures)} for ${words()}${behind}`);
};

const tellNote = () => {
  const byCosine = hits.length > 0 && hits[0].cosine !== null && hits[0].evidence === null;
  let text = "";
  if (byCosine && query.kind !== "words") text = "Picture to picture there is no probability: the number is the cosine of the two embeddings.";
  else if (byCosine && library.uncalibrated) text = `Cosines, not probabilities: ${library.uncalibrated}`;
  else if (byCosine) text = "Added or subtracted words have no calibrated probability: the number is the cosine with their sum.";
  else if (isCalibrated() && library.level === "assumed") text = "These probabilities are assumed: nobody has fitted them to this model on pairs of known truth.";
  if (query.cut) text += `${text ? " " : ""}Your words were longer than the model reads; their end was cut.`;
  $("note").hidden = !text;
  $("note").textContent = text;
};

const tellEmpty = (shown) => {
  const nothing = shown === 0 && !busy && $("error").hidden;
  $("empty").hidden = !nothing;
  if (!nothing) return;
  const none = library.pictures === 0;
  $("empty-title").textContent = none ? "No pictures here yet" : "Nothing is that likely";
  $("empty-words").textContent = none
    ? `Put some into ${library.folder}, and start twinlens browse again.`
    : hits.length ? `The best reaches ${percent(probability(hits[0]))}. Lower “At least”, or expect more matches.` : "Try other words.";
};

// ---- searching

const wanted = () => {
  const near = $("near").valueAsNumber;
  const request = { count: COUNT, skip: hits.length, near: query.kind !== "all" && near >= 0.5 && near <= 1 ? near : null };
  if (query.kind === "words") request.words = query.words;
  if (query.kind === "like") request.like = query.ref;
  if (query.kind === "dropped") request.dropped = query.dropped;
  return request;
};

const load = async ({ fresh }) => {
  if (busy && !fresh) return;
  busy?.abort();
  const mine = (busy = new AbortController());
  const list = $("hits");
  list.setAttribute("aria-busy", "true");
  const waiting = setTimeout(() => busy === mine && showWaiting(), WAITING_MS);
  try {
    const request = wanted();
    if (fresh) request.skip = 0;
    const answer = await post("/hits", request, mine.signal);
    if (busy !== mine) return;
    busy = null;
    if (fresh) { clearHits(); scrollTo({ top: 0 }); }
    Object.assign(query, { plus: answer.plus, minus: answer.minus, cut: answer.cut });
    more = answer.more;
    tellError(null);
    append(answer.hits);
    refresh();
    lookForMore();
  } catch (error) {
    if (busy !== mine) return;
    busy = null;
    if (fresh) clearHits();
    more = false;
    tellError(error);
    refresh();
    tell("");
  } finally {
    clearTimeout(waiting);
    if (!busy) list.removeAttribute("aria-busy");
  }
};

const lookForMore = () => {
  if (more && !busy && !$("more").hidden && $("more").getBoundingClientRect().top < innerHeight + 600) load({ fresh: false });
};

const showQuery = () => {
  const byPicture = query.kind === "like" || query.kind === "dropped";
  $("chip").hidden = !byPicture;
  if (byPicture) {
    $("chip-image").src = query.kind === "like" ? `/thumbnails/${query.ref}` : query.image;
    $("chip-words").textContent = query.title || "this picture";
  }
  $("words").placeholder = byPicture ? "" : "Words, or a picture";
  $("clear").hidden = query.kind === "all" && !$("words").value;
  $("hint").hidden = query.kind !== "all";
  document.title = query.kind === "all" ? "twinlens" : `${query.words ?? query.title ?? "Picture"} - twinlens`;
};

const address = () => {
  if (query.kind === "words") return `?q=${encodeURIComponent(query.words)}`;
  return query.kind === "like" ? `?like=${encodeURIComponent(query.ref)}` : "/";
};

// history: "push" for a step that Back takes back, "replace" for one that it does not, null for none.
const search = (next, history_ = "push") => {
  query = next;
  if (next.kind !== "words") { $("words").value = ""; settled = true; }
  if (history_) history[`${history_}State`](next, "", address());
  showQuery();
  return load({ fresh: true });
};

// Words on the way to others take one step of the history together; Enter settles them.
let settled = true;
const searchWords = (isSettled) => {
  const typed = $("words").value.trim();
  const history_ = settled ? "push" : "replace";
  settled = isSettled;
  if (query.kind === "words" && query.words === typed && $("error").hidden) return undefined;
  if (typed) return search({ kind: "words", words: typed }, history_);
  return query.kind === "words" ? search({ kind: "all" }, history_) : undefined;
};

const searchPicture = async (file) => {
  if (!file) return;
  if (!file.type.startsWith("image/")) { tellError(new Refusal("That is no picture; drop a JPEG, PNG or WEBP file")); return; }
  tellError(null);
  tell("Reading your picture");
  try {
    const { dropped } = await ask("/dropped", { method: "POST", body: file, headers: { "content-type": file.type } });
    await search({ kind: "dropped", dropped, title: file.name || "your picture", image: URL.createObjectURL(file) });
  } catch (error) {
    tellError(error);
    tell("");
  }
};

let typing = 0;
$("words").addEventListener("input", () => {
  clearTimeout(typing);
  $("clear").hidden = query.kind === "all" && !$("words").value;
  typing = setTimeout(() => searchWords(false), TYPING_MS);
});
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  searchWords(true);
});
const home = (event) => {
  event?.preventDefault();
  clearTimeout(typing);
  search({ kind: "all" });
  $("words").focus();
};
$("clear").addEventListener("click", home);
$("home").addEventListener("click", home);
$("file").addEventListener("change", (event) => { searchPicture(event.target.files[0]); event.target.value = ""; });
for (const id of ["least", "expected"]) $(id).addEventListener("input", () => { refresh(); lookForMore(); });
$("near").addEventListener("change", () => query.kind !== "all" && load({ fresh: true }));
$("more").addEventListener("click", () => load({ fresh: false }));
new IntersectionObserver(lookForMore, { rootMargin: "600px" }).observe($("more"));
addEventListener("scroll", () => document.querySelector("header").classList.toggle("raised", scrollY > 4), { passive: true });

beginDropping(searchPicture);

// ---- keys

const visible = () => tiles.filter((tile) => !tile.item.hidden);
const KEYS = { ArrowRight: (columns) => 1, ArrowLeft: (columns) => -1, ArrowDown: (columns) => columns, ArrowUp: (columns) => -columns };
$("hits").addEventListener("keydown", (event) => {
  const step = KEYS[event.key];
  const buttons = visible().map((tile) => tile.item.firstElementChild);
  const at = buttons.indexOf(document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  const top = buttons[0].offsetTop;
  const columns = Math.max(1, buttons.filter((one) => one.offsetTop === top).length);
  buttons[at + step(columns)]?.focus();
});
addEventListener("keydown", (event) => {
  const typed = event.target.matches?.("input:not([type=range])");
  if (event.key === "/" && !typed && !$("detail").open) { event.preventDefault(); $("words").focus(); $("words").select(); }
  if ($("detail").open && !event.target.matches?.("input")) {
    if (event.key === "ArrowLeft") stepPicture(-1);
    if (event.key === "ArrowRight") stepPicture(1);
  }
});

// ---- the beginning

const restore = (state) => {
  const asked = new URLSearchParams(location.search);
  if (state?.kind === "dropped") return search(state, null);
  if (asked.get("q")) { $("words").value = asked.get("q"); return search({ kind: "words", words: asked.get("q") }, null); }
  if (asked.get("like")) return search({ kind: "like", ref: asked.get("like"), title: state?.title }, null);
  $("words").value = "";
  return search({ kind: "all" }, null);
};
addEventListener("popstate", (event) => { $("detail").close(); restore(event.state); });

const begin = async () => {
  beginPicture({
    visible,
    match,
    thumbnail,
    search,
    hitAt: (place) => hits[place],
    path: (hit) => [library.folder, ...hit.path.split("/")].join(library.separator),
  });
  try {
    library = await ask("/library");
  } catch (error) {
    tellError(error);
    return;
  }
  const most = Math.max(1, Math.floor(library.pictures / 2));
  const rounds = [1, 2, 3, 5].flatMap((digit) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((power) => digit * power));
  steps = [...new Set([...rounds.filter((one) => one <= most), library.expected])].sort((a, b) => a - b);
  $("expected").max = steps.length - 1;
  $("expected").valueAsNumber = steps.indexOf(library.expected);
  await restore(history.state);
  if (matchMedia("(hover: hover)").matches) $("words").focus();
};
begin();
