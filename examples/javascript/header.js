// The header, and what a reader must refuse in it (SPEC, sections 4.1, 12.1 and 13.1).

import { check, isMap, unpackMap } from "./bytes.js";

const text = (value) => typeof value === "string";
const list = (test, n) => (value) => Array.isArray(value) && value.every(test) && value.length === (n ?? value.length);
const number = (least, most) => (value) => typeof value === "number" && value >= least && value <= most;
const integer = (least, most) => (value) => number(least, most)(value) && value % 1 === 0;
const choice = (...values) => (value) => values.includes(value);

const REQUIRED = { classes: integer(1, 2 ** 20), labels: isMap, codec: isMap, creator: text, version: text };
const OPTIONAL = {
  kind: choice("tokens"), shift: choice(0, 1), temperature: number(2 ** -1074, Number.MAX_VALUE), tokenizer: isMap,
  images: integer(0, 2 ** 53), image_size: list(integer(1, 2 ** 53), 2), class_names: list(text), image_classes: text,
  fingerprint: text, content: text, epochs: integer(0, 2 ** 53), recipe: isMap, mix: choice("cutmix", "mixup"),
  interpolation: choice("bilinear", "bicubic"), normalisation: isMap, agreement: isMap, pixels: isMap,
};
const LABELS = { space: choice("logits", "probabilities"), precision: choice("float16", "bfloat16", "float32") };
const KEPT = { k: integer(1, 2 ** 20), tail: choice("zero", "uniform", "floor") };
const CONFIGS = { dense: {}, topk: { step: number(1e-6, 1e6), ...KEPT } };
const RECIPES = {
  "philox4x32-10": "size sizes scale ratio flip mix alpha cutout operations magnitude deviation",
  "torch-random-sampler": "batches permutations",
};

/** Values of the types stated; a key whose value is nil counts as absent. */
function checkMap(map, tests, required, what) {
  for (const key in tests) check(tests[key](map[key]) || (!required && (map[key] ?? null) === null), `${what}: ${key} is wrong`);
}

function checkKeys(map, known, what) {
  for (const key in map) check(known.includes(key), `${what}: unknown key ${key}`);
}

/** The header map, checked. That of a codec which this reader does not decode has any `config`. */
export function readHeader(payload) {
  const header = unpackMap(payload, "header");
  checkMap(header, REQUIRED, true, "header");
  checkMap(header, OPTIONAL, false, "header");
  const { classes, labels, codec, class_names: names, recipe } = header;
  checkMap(codec, { name: text, config: isMap }, true, "header, codec");
  checkMap(labels, LABELS, true, "header, labels");
  checkMap(labels, KEPT, codec.name === "topk", "header, labels");
  check(!labels.k || (labels.k <= classes && (codec.config.k ?? labels.k) === labels.k), `header: k ${labels.k} is wrong`);
  if (Object.hasOwn(CONFIGS, codec.name)) {
    checkMap(codec.config, CONFIGS[codec.name], false, "header, codec");
    checkKeys(codec.config, Object.keys(CONFIGS[codec.name]), "header, codec");
    check(codec.name === "topk" || !labels.k, "header: dense labels with k");
  }
  const named = names?.filter((name) => name);
  check(!names || (names.length === classes && new Set(named).size === named.length), "header: class_names is wrong");
  if (!recipe) return header;
  check(Object.hasOwn(RECIPES, recipe.generator), `header: unknown generator ${recipe.generator}`);
  checkKeys(recipe, `generator seed images batch ${RECIPES[recipe.generator]}`.split(" "), "header, recipe");
  return header;
}
