// The page: a file that is dropped, chosen, or named by ?file=, is read and shown.

import { largestClasses, sizesByComponent } from "./contents.js";
import { openSlc, SlcError } from "./slc.js";

const SAMPLES = 8; // shown of a batch
const LARGEST = 5; // classes shown of each
const $ = (id) => document.getElementById(id);
const number = (value) => (typeof value === "number" ? value.toLocaleString("en").replaceAll(",", "\u202f") : String(value));
const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}\u00a0%` : "–");

/** An element with text, or with children; nothing of a file is ever taken for markup. */
function element(tag, content, className = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...[content].flat());
  return made;
}

function show(id, ...children) {
  $(id).replaceChildren(...children);
}

function tell(text, isError = false) {
  $("status").hidden = !text;
  $("status").textContent = text;
  $("status").className = isError ? "error" : "";
}

function bar(share, kind) {
  const filled = element("div", "", kind);
  filled.style.width = `${100 * Math.min(Math.max(share || 0, 0), 1)}%`;
  return element("td", element("div", filled), "bar");
}

/** Term and description of each [name, value] that has a value. */
const terms = (pairs) => {
  const present = pairs.filter(([, value]) => value !== undefined && value !== null);
  return present.map(([name, value]) => element("div", [element("dt", name), element("dd", value)]));
};

/** A value of the header as text. */
function text(value) {
  if (value instanceof Uint8Array) return `${number(value.length)} bytes`;
  if (Array.isArray(value)) {
    const more = value.length > 12 ? `, … (${number(value.length)})` : "";
    return value.slice(0, more ? 10 : 12).map(text).join(", ") + more;
  }
  if (value === null || typeof value !== "object") return String(value);
  return Object.entries(value).map(([key, part]) => `${key}: ${text(part)}`).join("; ") || "none"; // prettier-ignore
}

function showSummary(file, name) {
  const { header } = file;
  const labels = file.batches.reduce((sum, { samples }) => sum + samples, 0);
  $("name").textContent = name;
  show("summary", ...terms([
    ["codec", header.codec.name],
    ["labels", number(labels)],
    ["classes", number(header.classes)],
    ["kept of each", header.labels.k && number(header.labels.k)],
    ["values", `${header.labels.precision} ${header.labels.space}`],
    ["batches", number(file.batches.length)],
    ["bytes", number(file.bytes)],
    ["bytes per label", labels ? (file.bytes / labels).toFixed(2) : undefined],
    ["container version", file.version],
  ])); // prettier-ignore
  show("header", ...terms(Object.entries(header).map(([key, value]) => [key, text(value)])));
}

/** Table of the bytes; `isCurrent` is false once another file is shown. */
async function showSizes(file, isCurrent) {
  show("sizes");
  let paused = performance.now();
  const proceed = async (done) => {
    if (performance.now() - paused < 50) return isCurrent();
    if (isCurrent()) $("progress").textContent = `Reading batch ${number(done)} of ${number(file.batches.length)} …`;
    await new Promise((resume) => setTimeout(resume));
    paused = performance.now();
    return isCurrent();
  };
  const rows = await sizesByComponent(file, proceed);
  if (!rows || !isCurrent()) return;
  $("progress").textContent = "All bytes of the file; side information holds the tables that labels are decoded with.";
  const row = ({ name, kind, bytes }) => element("tr", [
    element("td", name), bar(bytes / file.bytes, kind), element("td", number(bytes), "number"),
    element("td", percent(bytes / file.bytes), "number"),
  ]); // prettier-ignore
  show("sizes", ...rows.map(row), row({ name: "total", kind: "framing", bytes: file.bytes }));
  $("sizes").lastChild.children[1].replaceChildren();
}

/** The first samples of a batch, with their largest classes. */
async function showBatch(file, names, position, isCurrent) {
  $("position").value = position;
  $("position").max = file.batches.length - 1;
  $("of").textContent = `of ${number(file.batches.length)}`;
  $("previous").disabled = position === 0;
  $("next").disabled = position >= file.batches.length - 1;
  if (!file.batches.length) return show("labels", element("p", "The file has no batches.", "note"));
  const batch = await file.batch(position);
  const images = file.images(batch);
  const { header } = file;
  const drawn = header.kind === "tokens" ? "positions of token sequences" : "of images that the recipe draws";
  const about = `Number ${batch.number}, epoch ${batch.epoch}, ${number(batch.samples)} samples${images ? "" : ` ${drawn}`}`;
  const described = (i) => {
    if (!images) return `Sample ${i}`;
    return `Sample ${i}: ${names?.[images[i]] ?? `image ${images[i]}`}`;
  };
  let labels;
  try {
    labels = await file.labels(batch);
  } catch (error) {
    if (!(error instanceof SlcError)) throw error;
    if (isCurrent()) $("batch").textContent = about;
    if (isCurrent()) show("labels", element("p", error.message, "note"));
    return;
  }
  if (!isCurrent()) return;
  const shown = Math.min(SAMPLES, batch.samples);
  $("batch").textContent = `${about}; the first ${shown}, with their largest classes, values and probabilities at temperature 1.`;
  show("labels", ...Array.from({ length: shown }, (_, i) => {
    const rows = largestClasses(header, labels, i, LARGEST).map((row) => element("tr", [
      element("td", header.class_names?.[row.class] || `class ${row.class}`), bar(row.probability, "labels"),
      element("td", row.value.toPrecision(4), "number"), element("td", percent(row.probability), "number"),
    ]));
    return element("article", [element("h3", described(i)), element("table", rows)]);
  })); // prettier-ignore
}

let current = 0; // number of the file that is shown

async function open(blob, name) {
  const own = ++current;
  const isCurrent = () => own === current;
  $("content").hidden = true;
  tell(`Reading ${name} …`);
  try {
    const file = await openSlc(blob);
    const names = await file.names();
    if (!isCurrent()) return;
    let turn = 0;
    const go = (position) => {
      const mine = ++turn;
      const shown = Math.min(Math.max(Math.trunc(position) || 0, 0), Math.max(file.batches.length - 1, 0));
      return showBatch(file, names, shown, () => isCurrent() && mine === turn).catch(fail);
    };
    const fail = (error) => isCurrent() && tell(`${name}: ${error.message}`, true);
    $("previous").onclick = () => go(Number($("position").value) - 1);
    $("next").onclick = () => go(Number($("position").value) + 1);
    $("position").onchange = () => go(Number($("position").value));
    $("choice").onsubmit = (event) => event.preventDefault();
    showSummary(file, name);
    $("content").hidden = false;
    tell("");
    await go(0);
    await showSizes(file, isCurrent).catch(fail);
    if (isCurrent()) document.body.dataset.shown = name;
  } catch (error) {
    if (isCurrent()) tell(`${name}: ${error.message}`, true);
    if (!(error instanceof SlcError)) throw error;
  }
}

async function fetchFile(address) {
  tell(`Loading ${address} …`);
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`the server says ${answer.status}`);
    await open(await answer.blob(), address.split("/").at(-1));
  } catch (error) {
    tell(`${address}: ${error.message}`, true);
  }
}

$("input").onchange = ({ target }) => target.files[0] && open(target.files[0], target.files[0].name);
document.ondragover = (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
};
document.ondragleave = () => $("drop").classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) open(file, file.name);
};
const address = new URLSearchParams(location.search).get("file");
tell("");
if (address) fetchFile(address);
