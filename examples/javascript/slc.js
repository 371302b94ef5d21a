// Reader of labelcodec containers (.slc), written from spec/SPEC.md; here its sections 3 to 5.
//
//     const file = await openSlc(blob);
//     const { k, index, value } = await file.labels(await file.batch(0));

import { check, crc32, Cursor, isMap, SlcError, unpackMap, utf8 } from "./bytes.js";
import { Tables } from "./entropy.js";
import { readHeader } from "./header.js";
import { CODECS, numbersOf } from "./labels.js";
import { decompress } from "./zstd.js";

export { SlcError };

const [PREAMBLE, TRAILER, FRAME] = [12, 20, 9];
const [MAGIC, END_MAGIC] = ["\x89SLC\r\n\x1a\n", "SLC\x1a"];
const PAYLOAD_LIMITS = { H: 2 ** 20, n: 2 ** 26 };
const SMALLEST = { B: 14, S: 11 };

/** Open a container in a Blob, of which only what is asked for is read. Throws SlcError, as all that is here. */
export async function openSlc(blob) {
  const read = async (start, size) => new Uint8Array(await blob.slice(start, start + size).arrayBuffer());
  const isNext = (cursor, magic) => cursor.left >= magic.length && String.fromCharCode(...cursor.take(magic.length)) === magic;
  const preamble = new Cursor(await read(0, PREAMBLE), "preamble");
  check(isNext(preamble, MAGIC), "this is no .slc file");
  const [major, minor] = [preamble.u16(), preamble.u16()];
  check(major === 1, `container version ${major} is unknown`);
  const end = blob.size - TRAILER;
  check(end >= PREAMBLE + FRAME, "the file is cut off");
  const trailer = new Cursor(await read(end, TRAILER), "trailer");
  const [start, size, crc] = [trailer.u64(), trailer.u32(), trailer.u32()];
  check(isNext(trailer, END_MAGIC), "the file was not finished, or is cut off");
  check(crc === crc32(preamble.bytes, trailer.bytes.subarray(0, 12)), "trailer: the checksum is wrong");
  check(start >= PREAMBLE && start + BigInt(size) === BigInt(end), "trailer: the index is not where it says");
  const index = readIndex(await readRecord(read, { tag: "I", offset: end - size, size }), end - size);
  const header = readHeader(await readRecord(read, index.sections[0]));
  return new SlcFile({ read, bytes: blob.size, version: `${major}.${minor}`, header, sides: new Map(), ...index });
}

/** Payload of a record of which the index says tag, offset and size (C-4, C-5, C-7). */
async function readRecord(read, { tag, offset, size }) {
  const what = `record ${tag} at byte ${offset}`;
  check(size - FRAME <= (PAYLOAD_LIMITS[tag] ?? 2 ** 28), `${what} is too long`);
  const frame = new Cursor(await read(offset, size), what);
  const [code, length, crc] = [frame.u8(), frame.u32(), frame.u32()];
  frame.check(code === tag.charCodeAt(0) && length === frame.left && length === size - FRAME, "not as the index says");
  frame.check(crc === crc32(frame.bytes.subarray(0, 5), frame.bytes.subarray(FRAME)), "damaged, the checksum is wrong");
  return frame.rest();
}

/** Sections and batches of the index record, which tile the bytes up to `end` (3.4). */
function readIndex(payload, end) {
  const map = unpackMap(payload, "index");
  const { sections: rows, count: n, batches: frame } = map;
  check(Array.isArray(rows) && rows.length <= 65536 && Object.keys(map).length <= 64, "index: sections are wrong");
  check(Number.isInteger(n) && n >= 0 && n <= end / SMALLEST.B, `index: ${n} batches in ${end} bytes`);
  check(frame instanceof Uint8Array, "index: there are no columns of batches");
  const [offset, size, samples, number, epoch] = readColumns(new Cursor(decompress(frame, 40 * n, 40 * n), "index"), n);
  check(new Set(number).size === n, "index: two batches have the same number");
  check(samples.every((value) => value >= 1n && value <= 2n ** 20n), "index: samples are out of range");
  const row = (i) => ({ samples: Number(samples[i]), number: number[i], epoch: epoch[i] });
  const batches = offset.map((start, i) => ({ tag: "B", offset: Number(start), size: Number(size[i]), ...row(i) }));
  const sections = rows.map((entry) => {
    const isSound = Array.isArray(entry) && entry.length === 3 && entry.every((value) => Number.isSafeInteger(value));
    check(isSound && entry[0] < 128 && entry[1] >= 0, "index: a section is wrong");
    return { tag: String.fromCharCode(entry[0]), offset: entry[1], size: entry[2] };
  });
  const tags = sections.map(({ tag }) => tag).join("");
  check(/^H[Sa-z]*$/.test(tags) && !/n.*n/.test(tags), "index: a record is missing, unknown or there twice");
  const inOrder = (list) => list.every((entry, i) => !i || list[i - 1].offset < entry.offset);
  check(inOrder(sections) && inOrder(batches), "index: records are not in file order");
  let position = PREAMBLE;
  for (const { tag, offset, size } of [...sections, ...batches].sort((a, b) => a.offset - b.offset)) {
    check(offset === position && size >= (SMALLEST[tag] ?? FRAME), `index: no record fits byte ${position}`);
    position += size;
  }
  check(position === end, "index: records do not fill the file");
  return { sections, batches };
}

/** Five columns of n numbers in 0..2^63 - 1, as BigInt, from their differences (I-2, I-3). */
function readColumns(cursor, n) {
  const column = (_, value = 0n) => Array.from({ length: n }, () => {
    value += BigInt.asIntN(64, cursor.u64());
    check(value >= 0n && value < 2n ** 63n, "index: a number is out of range");
    return value;
  });
  return [1, 2, 3, 4, 5].map((i) => column(i));
}

/** Tables of a codec, from a record of side information (3.5, 4.2). */
function readSide(payload, number, { parts, tables }, header) {
  const cursor = new Cursor(payload, `side information ${number}`);
  cursor.check(cursor.u16() === number, "it has another number");
  const map = unpackMap(decompress(cursor.rest(), 1, 2 ** 26), cursor.what, 128);
  cursor.check(Object.values(map).every(isMap) && map.crop && map.labels, "its maps are wrong");
  const entries = Object.values(map).flatMap((part) => Object.values(part));
  cursor.check(entries.every((part) => part instanceof Uint8Array), "a part is no binary");
  cursor.check(1 + 2 * Object.keys(map).length + entries.length <= 64, "it has too many parts");
  for (const part of ["height", "width", "size"]) cursor.check(part in map.crop, `part ${part} is missing`);
  for (const part of parts) cursor.check(part in map.labels, `part ${part} is missing`);
  new Tables(new Cursor(map.crop.height, "part height"), 1);
  new Tables(new Cursor(map.crop.width, "part width"), 124);
  const image = new Cursor(map.crop.size, "part size");
  for (const side of ["height", "width"]) image.count(1, 2 ** 24 - 1, side);
  image.end();
  return tables(map.labels, header);
}

/** Side number and streams of a batch record (3.6, 5.1). */
function readBatch(payload, { number, epoch, samples }, { kind, recipe }) {
  const cursor = new Cursor(payload, `batch ${number}`);
  const side = cursor.u16();
  for (const value of [BigInt(samples), number, epoch]) cursor.check(cursor.varint(true) === value, "not as the index says");
  const directory = Array.from({ length: cursor.u8() }, () => [cursor.u8(), cursor.count(0, cursor.left, "length")]);
  const numbers = directory.map(([stream]) => stream);
  cursor.check(numbers.every((stream, i) => stream > (numbers[i - 1] ?? 0)), "streams are not in rising order");
  cursor.check(numbers.every((stream) => stream <= 16 || stream >= 128), `unknown stream among ${numbers}`);
  const streams = new Map(directory.map(([stream, length]) => [stream, cursor.take(length)]));
  cursor.end();
  const [tokens, seeded] = [kind === "tokens", recipe?.generator === "philox4x32-10"];
  const forbidden = (stream) => (stream <= 8 || stream === 16 ? tokens || seeded : stream >= 12 && stream <= 14 && !tokens);
  cursor.check(!numbers.some(forbidden), "a stream that files of this kind do not have");
  cursor.check(tokens ? streams.has(12) : recipe || streams.has(1), "its images or sequences are missing");
  return { side, streams };
}

/** `header`, `version`, `bytes` (size of the file), `sections` and `batches` as the index lists them. */
class SlcFile {
  constructor(fields) {
    Object.assign(this, fields);
  }
  /** Names of the images, or null (3.7). */
  async names() {
    const section = this.sections.find(({ tag }) => tag === "n");
    const names = section && decompress(await readRecord(this.read, section), 0, 2 ** 26);
    check(!names || names.reduce((n, byte) => n + (byte === 10), 1) <= 2 ** 21, "there are too many image names");
    return names ? (names.length ? utf8(names, "image names").split("\n") : []) : null;
  }
  /** Streams of the batch at a position of the index; `samples`, and `number` and `epoch` as BigInt. */
  async batch(i) {
    return { ...this.batches[i], ...readBatch(await readRecord(this.read, this.batches[i]), this.batches[i], this.header) };
  }
  /** Image index of each sample of a batch as BigInt64Array (5.3), or null if they are not stored. */
  images({ streams, samples, number }) {
    if (!streams.has(1)) return null;
    const cursor = new Cursor(streams.get(1), `image indices of batch ${number}`);
    cursor.check(samples <= 65536, "too many samples to be decoded");
    const index = cursor.packed(samples);
    cursor.end();
    cursor.check(index.every((value) => value >= 0n), "an index is negative");
    return index;
  }
  /**
   * Labels of a batch, sample by sample: `value` as numbers, and their `bits` in a Uint16Array or Uint32Array. Those of topk
   * have `k`, `index`, `floor` (bits; `floorValue` as numbers) and, where labels keep different numbers of classes, `count`.
   */
  async labels({ side, streams, samples, number }) {
    const { codec, classes, labels } = this.header;
    check(Object.hasOwn(CODECS, codec.name), `codec ${codec.name} is none that this reader decodes: dense, topk`);
    const own = CODECS[codec.name];
    for (const stream of labels.tail === "floor" ? [...own.streams, 11] : own.streams) {
      check(streams.has(stream), `batch ${number}: stream ${stream} is missing`);
    }
    check(samples <= 65536 && samples * (labels.k ?? classes) <= 2 ** 23, `batch ${number} is too large to be decoded`);
    if (!this.sides.has(side)) {
      const record = this.sections.filter(({ tag }) => tag === "S")[side];
      check(record, `batch ${number}: there is no side information ${side}`);
      this.sides.set(side, readSide(await readRecord(this.read, record), side, own, this.header));
    }
    const decoded = own.labels(streams, samples, this.header, this.sides.get(side));
    const floorValue = decoded.floor && numbersOf(decoded.floor);
    return { ...decoded, value: numbersOf(decoded.bits), floorValue };
  }
}
