// Labels of the codecs dense and topk: their tables, and the two streams of a batch (SPEC, sections 7 and 8).

import { Cursor, utf8 } from "./bytes.js";
import { CodedPart, halfOctave, Rans, Tables } from "./entropy.js";

const WIDTHS = { float16: [16, 10], bfloat16: [16, 7], float32: [32, 23] }; // W and M of 7.1
const arrayOf = (precision) => (WIDTHS[precision][0] === 16 ? Uint16Array : Uint32Array);

/** Bits of values as they are decoded: bfloat16 becomes binary32 (7.1). */
const decodedBits = (bits, precision) => (precision === "bfloat16" ? Uint32Array.from(bits, (value) => value * 65536) : bits);

/** Numbers that bits of binary16 (Uint16Array) or binary32 (Uint32Array) stand for. */
export function numbersOf(bits) {
  if (bits instanceof Uint32Array) return new Float32Array(bits.slice().buffer);
  return Float32Array.from(bits, (half) => {
    const [sign, exponent, mantissa] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023];
    if (exponent === 31) return mantissa ? NaN : sign * Infinity;
    return sign * (exponent ? (1024 + mantissa) * 2 ** (exponent - 25) : mantissa * 2 ** -24);
  });
}

/** Bits of doubles rounded to binary16 or binary32, halves to even. */
function roundedBits(values, Bits) {
  if (Bits === Uint32Array) return new Uint32Array(Float32Array.from(values).buffer);
  return Uint16Array.from(values, (value) => {
    const [sign, size] = [value < 0 || Object.is(value, -0) ? 0x8000 : 0, Math.abs(value)];
    if (!(size < 65520)) return Number.isNaN(value) ? 0x7e00 : sign | 0x7c00;
    let exponent = -14;
    while (size >= 2 ** (exponent + 1)) exponent++;
    const [whole, rest] = [Math.floor(size * 2 ** (10 - exponent)), (size * 2 ** (10 - exponent)) % 1];
    const up = rest > 0.5 || (rest === 0.5 && whole % 2) ? 1 : 0;
    return sign | (whole + up + ((exponent + 14) << 10)); // the leading bit of `whole` counts as one exponent
  });
}

/** Class order (T-1, T-2): the class at each position. */
function readOrder(part, classes) {
  const cursor = new Cursor(part, "class order");
  const listed = part[0] === 1 && cursor.u8() ? cursor.count(1, classes, "classes") : part.length && classes;
  const order = new Set(listed ? cursor.integers(listed, 0, classes - 1, "class") : []);
  cursor.end();
  cursor.check(order.size === listed, "a class stands there twice");
  return [...new Set([...order, ...Array(classes).keys()])]; // the classes that are not listed rise
}

/** Tables of codec dense (7.2). */
function denseTables(parts, { classes }) {
  const precision = utf8(parts.precision, "precision of the tables");
  const tables = new Tables(new Cursor(parts.table, "part table"));
  const cursor = new Cursor(parts.symbols, "part symbols");
  cursor.check(Object.hasOwn(WIDTHS, precision), `tables for unknown precision ${precision}`);
  const [W, M] = WIDTHS[precision];
  const patterns = cursor.integers(tables.escape, 0, 2 ** (W - M + 3) - 1, "pattern");
  const places = cursor.integers(tables.escape, -(2 ** 25), 2 ** 25, "place");
  const mean = cursor.integers(classes, -(2 ** 25), 2 ** 25, "mean");
  const [base] = cursor.integers(1, -(2 ** 25), 2 ** 25, "base");
  cursor.end();
  const placeOf = new Map(Array.from(patterns, (pattern, i) => [pattern, places[i]]));
  return { precision, tables, patterns, placeOf, mean, base, order: readOrder(parts.order, classes) };
}

/** Labels of codec dense of B samples: bits of all classes, sample by sample (7.3). */
function denseLabels(streams, B, { classes, labels }, side) {
  const { precision } = labels;
  const cursor = new Cursor(streams.get(10), "label values");
  const form = cursor.u8();
  cursor.check(form <= 1, `unknown form ${form}`);
  cursor.check(!form || side.precision === precision, `tables for ${side.precision}, labels of ${precision}`);
  const Bits = arrayOf(precision);
  return { bits: decodedBits(form ? coded(cursor, B, new Bits(B * classes), side) : cursor.floats(B * classes, Bits), precision) };
}

/** Form 1 of dense label values, into `out` (D-8 to D-12). */
function coded(cursor, B, out, { precision, tables, patterns, placeOf, mean, base, order }) {
  const [W, M] = WIDTHS[precision];
  const [shift, width, C, drop] = [M - 3, W - M + 3, order.length, cursor.u8()];
  cursor.check(drop <= shift, `${drop} low bits left out`);
  const length = cursor.count(0, cursor.left, "length of the rANS part");
  const escapes = cursor.count(0, out.length, "number of escapes");
  const rans = new Rans(cursor.part(length), out.length);
  const [escaped, low] = [cursor.fixed(escapes, width), cursor.fixed(out.length, shift - drop)];
  cursor.end();
  const residuals = Array.from({ length: 4 }, () => new Float64Array(B)); // of the last four positions
  for (let c = 0; c < C; c++) {
    const [r1, r2, r3, r4] = [1, 2, 3, 4].map((j) => residuals[(c - j) & 3]);
    for (let b = 0; b < B; b++) {
      const predicted = mean[c] + ((10 * r1[b] + 5 * r2[b] + 3 * r3[b] + 2 * r4[b]) >> 5);
      const symbol = rans.symbol(tables, Math.min(Math.max((predicted - base) >> 5, 0), tables.contexts - 1));
      const pattern = symbol === tables.escape ? escaped.read(width) : patterns[symbol];
      out[b * C + order[c]] = pattern * 2 ** shift;
      r4[b] = placeOf.has(pattern) ? placeOf.get(pattern) - mean[c] : 0; // r1 of the next position
    }
  }
  rans.end();
  cursor.check(escaped.position === escapes * width, "there are too many escapes");
  for (let b = 0; b < B; b++) for (let c = 0; c < C; c++) out[b * C + order[c]] += low.read(shift - drop) * 2 ** drop;
  return out;
}

/** Tables of codec topk (4.2). */
const topkTables = (parts, { classes }) => ({
  order: readOrder(parts.order, classes),
  set: new Tables(new Cursor(parts.set, "part set"), 17),
  falls: new Tables(new Cursor(parts.values, "part values"), 33),
});

/** Labels of codec topk of B samples: classes and the bits of their values, sample by sample (8.2 to 8.5). */
function topkLabels(streams, B, { classes, labels, codec }, side) {
  const { k, tail, precision } = labels;
  const step = codec.config.step ?? undefined;
  const Bits = step === undefined && precision === "float16" ? Uint16Array : Uint32Array;
  const context = { classes, precision, step, Bits, ...side };
  const [kept, values] = [new Cursor(streams.get(9), "kept classes"), new Cursor(streams.get(10), "label values")];
  kept.check(B * k <= 2 ** 21, `${B} labels of ${k} classes are too many to be decoded`);
  const floor = tail === "floor" ? new Cursor(streams.get(11), "floors").floats(B, Bits) : null;
  if (!streams.has(15)) return { k, floor, ...readGroup(kept, values, B, k, context) };
  const counts = new Cursor(streams.get(15), "numbers of kept classes");
  const count = counts.count(k, k, "k") && counts.integers(B, 1, k, "number of kept classes");
  counts.end();
  const [index, bits] = [new Int32Array(B * k), new Bits(B * k)];
  for (const own of [...new Set(count)].sort((a, b) => a - b)) {
    const samples = [...count.keys()].filter((b) => count[b] === own);
    const group = readGroup(kept.sized(), values.sized(), samples.length, own, context);
    samples.forEach((b, i) => {
      index.set(group.index.subarray(i * own, (i + 1) * own), b * k);
      bits.set(group.bits.subarray(i * own, (i + 1) * own), b * k);
      pad(index.subarray(b * k, (b + 1) * k), bits.subarray(b * k, (b + 1) * k), own, classes, labels, floor?.[b]);
    });
  }
  kept.end();
  values.end();
  return { k, floor, count, index, bits };
}

/** Fill a label of `own` classes up to k: the smallest classes left out, with the value of the tail (T-23). */
function pad(index, bits, own, classes, { space, tail }, floor) {
  const keeps = new Set(index.subarray(0, own));
  for (let c = 0, i = own; i < index.length; c++) if (!keeps.has(c)) index[i++] = c;
  const rest = 1 - numbersOf(bits.slice(0, own)).reduce((sum, value) => sum + value, 0);
  const value = tail === "uniform" ? rest / (classes - own) : space === "logits" ? -Infinity : 0;
  bits.fill(tail === "floor" ? floor : roundedBits([value], bits.constructor)[0], own);
}

/** Labels that keep the same number of classes (8.2 to 8.4). */
function readGroup(kept, values, B, k, context) {
  const form = kept.u8();
  kept.check([0, 1, 17].includes(form), `unknown form ${form}`);
  kept.count(k, k, "k");
  if (form) {
    kept.check(k <= 4096, `k ${k} is too large to be coded`);
    const sets = readSets(kept.sized(), B, k, context);
    const { levels, bits } = readLevels(values, B, k, context);
    return { index: arrange(kept, sets, form === 17 ? levels : levels.map((_, i) => -(i % k)), B, k), bits };
  }
  const index = Int32Array.from(kept.integers(B * k, 0, context.classes - 1, "class"));
  values.check(values.u8() === 0, "coded values of classes that are not coded");
  kept.end();
  return { index, bits: values.floats(B * k, context.Bits) };
}

/** Classes of each label in order of position, sample by sample (T-7 to T-10). */
function readSets(cursor, B, k, { set, order, classes }) {
  const part = new CodedPart(cursor, B * k, set);
  const [position, out] = [new Float64Array(B).fill(-1), new Int32Array(B * k)];
  const gaps = [new Float64Array(B), new Float64Array(B)];
  for (let i = 0; i < k; i++) {
    const [before, current] = [gaps[(i + 1) & 1], gaps[i & 1]]; // current still holds g(i-2)
    for (let b = 0; b < B; b++) {
      const near = before[b] + (i === 1 ? before[b] : current[b]) + 1;
      current[b] = part.next(i === 0 ? 16 : Math.min(halfOctave(near), 15));
      position[b] += current[b] + 1;
      cursor.check(position[b] < classes, `position ${position[b]} of ${classes}`);
      out[b * k + i] = order[position[b]];
    }
  }
  part.end();
  return out;
}

/** Levels by rank, and the bits that they stand for, sample by sample (8.4). */
function readLevels(cursor, B, k, { step, precision, Bits, falls }) {
  const [form, drop, stepped] = [cursor.u8(), cursor.u8(), step !== undefined];
  const w = WIDTHS[precision][0] - drop;
  cursor.check(form === 1 || form === 2, `unknown form ${form}`);
  cursor.check(stepped ? drop === 0 : drop < 32 && w > 0, `${drop} low bits left out`);
  const levels = new Float64Array(B * k);
  if (form === 1) readFalls(new CodedPart(cursor, B * k, falls), B, k, levels, stepped);
  else levels.fill(Number(cursor.signed()));
  cursor.end();
  const [least, most] = stepped ? [-(2 ** 31), 2 ** 31] : [0, 2 ** w - 1];
  for (const level of levels) cursor.check(level >= least && level <= most, `level ${level} is out of range`);
  if (stepped) return { levels, bits: roundedBits(levels.map((level) => level * step), Bits) };
  const half = 2 ** (w - 1);
  const bitsOf = (level) => (level >= half ? level - half : 2 * half - 1 - level) * 2 ** drop;
  return { levels, bits: decodedBits(arrayOf(precision).from(levels, bitsOf), precision) };
}

/** Rank by rank: the first level, then the distance of each to the one before (T-18). */
function readFalls(part, B, k, levels, stepped) {
  for (let i = 0; i < k; i++) {
    for (let b = 0; b < B; b++) {
      const value = part.next(i && 1 + halfOctave(i));
      if (i) levels[b * k + i] = levels[b * k + i - 1] - value;
      else levels[b * k] = !stepped ? value : value % 2 ? -(value + 1) / 2 : value / 2;
    }
  }
  part.end();
}

/** Classes by rank, sample by sample, from the levels of the ranks (8.3). */
function arrange(cursor, sets, levels, B, k) {
  const [rans, out] = [new Rans(cursor, B * k), new Int32Array(B * k)];
  for (let b = 0; b < B; b++) {
    const list = levels.slice(b * k, (b + 1) * k);
    const classes = new Map(Array.from(list, (level) => [level, []])); // of each level, in order of rank
    for (let left = k; left > 0; left--) {
      const level = list[Math.floor(((rans.slot + 1) * left - 1) / 4096)];
      const [low, high] = [list.indexOf(level), list.lastIndexOf(level, left - 1) + 1];
      const start = Math.floor((low * 4096) / left);
      rans.advance(start, Math.floor((high * 4096) / left) - start);
      list.copyWithin(low, low + 1, left);
      classes.get(level).push(sets[(b + 1) * k - left]);
    }
    out.set([...classes.values()].flatMap((run) => run.sort((x, y) => x - y)), b * k);
  }
  rans.end();
  return out;
}

/** What the codecs need: parts of the side information, streams of a batch, and how they are read. */
export const CODECS = {
  dense: { parts: ["precision", "order", "table", "symbols"], tables: denseTables, streams: [10], labels: denseLabels },
  topk: { parts: ["order", "set", "values"], tables: topkTables, streams: [9, 10], labels: topkLabels },
};
