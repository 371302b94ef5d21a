// What the viewer shows of a file: bytes by component, and the largest classes of labels.

/** Components by stream (SPEC, 5.1), with what they belong to. */
const STREAMS = [
  [9, "kept classes", "labels"],
  [10, "label values", "labels"],
  [11, "floors", "labels"],
  [15, "numbers of kept classes", "labels"],
  [1, "image indices", "framing"],
  [2, "crop boxes", "augmentation"],
  [3, "flips", "augmentation"],
  [4, "mix partners", "augmentation"],
  [5, "mix ratio", "augmentation"],
  [6, "mix box", "augmentation"],
  [7, "cutout", "augmentation"],
  [8, "RandAugment", "augmentation"],
  [16, "seeds", "augmentation"],
  [12, "token sequences", "tokens"],
  [13, "token ids", "tokens"],
  [14, "loss mask", "tokens"],
];
const RECORDS = { H: "header", S: "side information", n: "image names" };
const OTHERS = [
  ["side information", "labels"],
  ["other streams", "framing"],
  ["image names", "framing"],
  ["header", "framing"],
  ["other records", "framing"],
  ["framing and index", "framing"],
];

/**
 * Bytes by component, as {name, kind, bytes}; they sum to the size of the file. Reads every batch.
 *
 * @param {(done: number) => Promise<boolean>} proceed is told how many batches are read; false ends it, with null
 */
export async function sizesByComponent(file, proceed = async () => true) {
  const sizes = new Map();
  const add = (name, bytes) => sizes.set(name, (sizes.get(name) ?? 0) + bytes);
  for (const { tag, size } of file.sections) add(RECORDS[tag] ?? "other records", size);
  const names = new Map(STREAMS.map(([stream, name]) => [stream, name]));
  for (let i = 0; i < file.batches.length; i++) {
    const { streams } = await file.batch(i);
    for (const [stream, bytes] of streams) add(names.get(stream) ?? "other streams", bytes.length);
    if (!(await proceed(i + 1))) return null;
  }
  add("framing and index", file.bytes - [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0));
  const rows = [...STREAMS.map(([, name, kind]) => [name, kind]), ...OTHERS];
  return rows.filter(([name]) => sizes.get(name)).map(([name, kind]) => ({ name, kind, bytes: sizes.get(name) }));
}

/**
 * The `n` largest classes of a label that it keeps, largest first, as {class, value, probability}.
 *
 * Probabilities are those at temperature 1: the softmax of logits, with what the tail says of the classes left out.
 */
export function largestClasses(header, labels, sample, n) {
  const { classes } = header;
  const { space, tail } = header.labels;
  const width = labels.k ?? classes;
  const value = labels.value.subarray(sample * width, (sample + 1) * width);
  const rank = Array.from(value.keys());
  if (!labels.k) rank.sort((a, b) => value[b] - value[a]);
  const most = value.reduce((max, logit) => Math.max(max, logit), -Infinity);
  const weight = space === "logits" ? value.map((logit) => Math.exp(logit - most)) : value;
  let total = weight.reduce((sum, share) => sum + share, 0);
  if (space === "logits" && tail === "floor") total += (classes - width) * Math.exp(labels.floorValue[sample] - most);
  if (space === "probabilities" && tail !== "zero") total = 1;
  return rank.slice(0, Math.min(n, labels.count?.[sample] ?? n)).map((i) => ({
    class: labels.index ? labels.index[sample * width + i] : i,
    value: value[i],
    probability: weight[i] / total,
  }));
}
