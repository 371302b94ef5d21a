// Decompression of one zstd frame (RFC 8878), without dictionaries. The content checksum is skipped: the
// CRC-32 of a record covers the frame.

import { SlcError } from "./bytes.js";

const MAGIC = 0xfd2fb528;
const BLOCK_LIMIT = 1 << 17;
const LITERALS_LOG = 11;

// Normalised counts of the predefined tables (RFC 8878, 3.1.1.3.2.2).
const ones = (n) => Array(n).fill(1);
const twos = (n) => Array(n).fill(2);
const rare = (n) => Array(n).fill(-1);
const LENGTHS = [4, 3, ...twos(11), 1, 1, 1, ...twos(9), 3, 2, ...ones(5), ...rare(4)];
const OFFSETS = [...ones(6), 2, 2, 2, ...ones(15), ...rare(5)];
const MATCHES = [1, 4, 3, ...twos(6), ...ones(37), ...rare(7)];
// Extra bits of the codes of literal lengths and of match lengths (3.1.1.3.2.1.1).
const LENGTH_BITS = [...Array(16).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const MATCH_BITS = [...Array(32).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const KINDS = [
  { name: "literal lengths", counts: LENGTHS, log: 6, maxLog: 9, symbols: 36 },
  { name: "offsets", counts: OFFSETS, log: 5, maxLog: 8, symbols: 32 },
  { name: "match lengths", counts: MATCHES, log: 6, maxLog: 9, symbols: 53 },
];

const fail = (reason) => {
  throw new SlcError(`zstd frame: ${reason}`);
};
const topBit = (n) => 31 - Math.clz32(n);

/** Value of the first code, then that of each code behind it: the ranges of the codes adjoin. */
function baselines(bits, first) {
  const out = [first];
  for (const width of bits.slice(0, -1)) out.push(out.at(-1) + 2 ** width);
  return out;
}
const LENGTH_BASE = baselines(LENGTH_BITS, 0);
const MATCH_BASE = baselines(MATCH_BITS, 3);

/** Bits that are read from the last one to the first. */
class BackwardBits {
  constructor(bytes) {
    const last = bytes.at(-1);
    if (!last) fail("a bit stream does not end in a marker");
    this.bytes = bytes;
    this.left = 8 * (bytes.length - 1) + topBit(last);
  }

  /** The next n bits, at most 24, without taking them; bits before the stream are 0. */
  peek(n) {
    const start = this.left - n;
    if (start < 0) return n + start <= 0 ? 0 : this.at(0, n + start) << -start;
    return this.at(start, n);
  }

  at(start, n) {
    const { bytes } = this;
    const i = start >> 3;
    const word = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    return (word >>> (start & 7)) & ((1 << n) - 1);
  }

  read(n) {
    if (n > 16) return this.read(n - 16) * 65536 + this.read(16);
    const value = this.peek(n);
    this.left -= n;
    return value;
  }

  end() {
    if (this.left !== 0) fail("a bit stream is not used up exactly");
  }
}

/** A decoding table of finite state entropy coding, from normalised counts. */
function fseTable(counts, log) {
  const size = 1 << log;
  const symbol = new Uint8Array(size);
  const bits = new Uint8Array(size);
  const base = new Uint16Array(size);
  let high = size - 1;
  counts.forEach((count, s) => {
    if (count === -1) symbol[high--] = s;
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let place = 0;
  counts.forEach((count, s) => {
    for (let i = 0; i < count; i++) {
      symbol[place] = s;
      do place = (place + step) & (size - 1);
      while (place > high);
    }
  });
  const next = counts.map((count) => Math.abs(count));
  for (let state = 0; state < size; state++) {
    const x = next[symbol[state]]++;
    bits[state] = log - topBit(x);
    base[state] = (x << bits[state]) - size;
  }
  return { symbol, bits, base, log };
}

/** The table at a position of the bytes, and the position behind it. */
function readFseTable(bytes, position, maxLog, symbols, name) {
  let bit = 8 * position;
  const peek = (n) => {
    const i = bit >> 3;
    if (i >= bytes.length) fail(`the table of ${name} is cut off`);
    const word = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    return (word >>> (bit & 7)) & ((1 << n) - 1);
  };
  const log = peek(4) + 5;
  if (log > maxLog) fail(`the table of ${name} is too large`);
  bit += 4;
  const counts = [];
  let remaining = (1 << log) + 1;
  let width = log + 1;
  while (remaining > 1) {
    if (counts.length >= symbols) fail(`the table of ${name} has too many symbols`);
    while (1 << (width - 1) > remaining) width--;
    const half = 1 << (width - 1);
    const spare = 2 * half - 1 - remaining;
    let value = peek(width);
    if ((value & (half - 1)) < spare) {
      value &= half - 1;
      bit += width - 1;
    } else {
      if (value >= half) value -= spare;
      bit += width;
    }
    const count = value - 1;
    remaining -= Math.abs(count);
    counts.push(count);
    for (let flag = count === 0 ? 3 : 0; flag === 3; ) {
      flag = peek(2);
      bit += 2;
      for (let i = 0; i < flag; i++) counts.push(0);
    }
  }
  if (remaining !== 1 || counts.length > symbols) fail(`the table of ${name} is wrong`);
  return [fseTable(counts, log), (bit + 7) >> 3];
}

/** Weights of the symbols of a Huffman code, all but the last. */
function huffmanWeights(bytes) {
  const first = bytes[0];
  if (first >= 128) {
    const n = first - 127;
    const end = 1 + ((n + 1) >> 1);
    if (end > bytes.length) fail("Huffman weights are cut off");
    const nibble = (i) => (i % 2 ? bytes[1 + (i >> 1)] & 15 : bytes[1 + (i >> 1)] >> 4);
    return [Array.from({ length: n }, (_, i) => nibble(i)), end];
  }
  const end = 1 + first;
  if (end > bytes.length) fail("Huffman weights are cut off");
  const part = bytes.subarray(0, end);
  const [table, start] = readFseTable(part, 1, 6, 256, "Huffman weights");
  const stream = new BackwardBits(part.subarray(start));
  const states = [stream.read(table.log), stream.read(table.log)];
  if (stream.left < 0) fail("Huffman weights are cut off");
  const weights = [];
  for (let turn = 0; ; turn ^= 1) {
    const state = states[turn];
    weights.push(table.symbol[state]);
    if (weights.length > 254) fail("there are too many Huffman weights");
    states[turn] = table.base[state] + stream.read(table.bits[state]);
    if (stream.left < 0) {
      weights.push(table.symbol[states[turn ^ 1]]);
      return [weights, end];
    }
  }
}

/** The Huffman table at the start of the bytes, and the position behind it. */
function readHuffman(bytes) {
  if (!bytes.length) fail("a Huffman table is missing");
  const [weights, end] = huffmanWeights(bytes);
  const sum = weights.reduce((total, weight) => total + (weight ? 2 ** (weight - 1) : 0), 0);
  if (!sum || sum >= 1 << LITERALS_LOG) fail("Huffman weights are too large");
  const log = topBit(sum) + 1;
  const rest = (1 << log) - sum;
  if (rest & (rest - 1)) fail("Huffman weights do not fill the code");
  weights.push(topBit(rest) + 1);
  const symbol = new Uint8Array(1 << log);
  const bits = new Uint8Array(1 << log);
  let place = 0;
  for (let weight = 1; weight <= log; weight++) {
    weights.forEach((own, s) => {
      if (own !== weight) return;
      const width = 1 << (weight - 1);
      symbol.fill(s, place, place + width);
      bits.fill(log + 1 - weight, place, place + width);
      place += width;
    });
  }
  return [{ symbol, bits, log }, end];
}

function huffmanStream(table, bytes, out) {
  const stream = new BackwardBits(bytes);
  for (let i = 0; i < out.length; i++) {
    const code = stream.peek(table.log);
    out[i] = table.symbol[code];
    stream.left -= table.bits[code];
  }
  stream.end();
}

/** The literals of a block, and the position behind them. `tables.huffman` is kept for later blocks. */
function readLiterals(block, tables) {
  const type = block[0] & 3;
  const format = (block[0] >> 2) & 3;
  const compressed = type >= 2;
  const header = compressed ? [3, 3, 4, 5][format] : [1, 2, 1, 3][format];
  if (header > block.length) fail("literals are cut off");
  let number = 0;
  for (let i = header - 1; i >= 0; i--) number = number * 256 + block[i];
  if (!compressed) {
    const size = Math.floor(number / (format % 2 ? 16 : 8));
    const end = header + (type ? 1 : size);
    if (size > BLOCK_LIMIT || end > block.length) fail("literals are too long");
    const raw = block.subarray(header, end);
    return [type ? new Uint8Array(size).fill(raw[0]) : raw, end];
  }
  const unit = 2 ** [10, 10, 14, 18][format];
  const size = Math.floor(number / 16) % unit;
  const end = header + Math.floor(number / 16 / unit);
  if (size > BLOCK_LIMIT || end > block.length) fail("literals are too long");
  let data = block.subarray(header, end);
  if (type === 2) {
    const [table, start] = readHuffman(data);
    tables.huffman = table;
    data = data.subarray(start);
  }
  if (!tables.huffman) fail("there is no Huffman table to repeat");
  const out = new Uint8Array(size);
  if (format === 0) {
    huffmanStream(tables.huffman, data, out);
    return [out, end];
  }
  const quarter = (size + 3) >> 2;
  let from = 6;
  if (data.length < from || 3 * quarter > size) fail("literals are cut off");
  for (let i = 0; i < 4; i++) {
    const to = i < 3 ? from + data[2 * i] + 256 * data[2 * i + 1] : data.length;
    if (to > data.length) fail("literals are cut off");
    huffmanStream(tables.huffman, data.subarray(from, to), out.subarray(i * quarter, i < 3 ? (i + 1) * quarter : size));
    from = to;
  }
  return [out, end];
}

/** The three tables of a block's sequences, and the position behind them. */
function readSequenceTables(block, position, modes, tables) {
  KINDS.forEach((kind, i) => {
    const mode = (modes >> (6 - 2 * i)) & 3;
    if (mode === 0) tables[i] = fseTable(kind.counts, kind.log);
    if (mode === 1) {
      if (position >= block.length || block[position] >= kind.symbols) fail(`the table of ${kind.name} is wrong`);
      tables[i] = { symbol: [block[position++]], bits: [0], base: [0], log: 0 };
    }
    if (mode === 2) [tables[i], position] = readFseTable(block, position, kind.maxLog, kind.symbols, kind.name);
    if (!tables[i]) fail(`there is no table of ${kind.name} to repeat`);
  });
  return position;
}

/** Offset that a code stands for; the three latest offsets are updated. */
function offsetOf(value, literals, latest) {
  const which = value + (literals ? -1 : 0);
  if (value > 3) latest.unshift(value - 3);
  else if (which === 3) latest.unshift(latest[0] - 1);
  else latest.unshift(...latest.splice(which, 1));
  latest.length = 3;
  return latest[0];
}

/** Output of the decompressor: bytes of a size known beforehand. */
class Output {
  constructor(size) {
    this.bytes = new Uint8Array(size);
    this.length = 0;
  }

  room(n) {
    if (this.length + n > this.bytes.length) fail("it holds more than it states");
  }

  append(data) {
    this.room(data.length);
    this.bytes.set(data, this.length);
    this.length += data.length;
  }

  fill(byte, n) {
    this.room(n);
    this.bytes.fill(byte, this.length, (this.length += n));
  }

  repeat(offset, n) {
    this.room(n);
    if (offset < 1 || offset > this.length) fail("an offset reaches before the start");
    for (const end = this.length + n; this.length < end; this.length++) {
      this.bytes[this.length] = this.bytes[this.length - offset];
    }
  }
}

function readBlock(block, tables, out) {
  if (block.length < 2) fail("a block is cut off");
  const [literals, after] = readLiterals(block, tables);
  let position = after;
  let count = block[position++];
  if (count === undefined) fail("a block is cut off");
  if (count === 0) {
    if (position !== block.length) fail("a block is not used up");
    out.append(literals);
    return;
  }
  if (count === 255) {
    count = 0x7f00 + block[position] + 256 * block[position + 1];
    position += 2;
  } else if (count >= 128) count = (count - 128) * 256 + block[position++];
  const modes = block[position++];
  if (position >= block.length || modes & 3) fail("sequences are wrong");
  position = readSequenceTables(block, position, modes, tables);
  const stream = new BackwardBits(block.subarray(position));
  const [lengths, offsets, matches] = [tables[0], tables[1], tables[2]];
  let [length, offset, match] = [lengths, offsets, matches].map((table) => stream.read(table.log));
  let taken = 0;
  for (let i = 0; i < count; i++) {
    const offsetCode = offsets.symbol[offset];
    const matchCode = matches.symbol[match];
    const lengthCode = lengths.symbol[length];
    const value = 2 ** offsetCode + stream.read(offsetCode);
    const repeated = MATCH_BASE[matchCode] + stream.read(MATCH_BITS[matchCode]);
    const copied = LENGTH_BASE[lengthCode] + stream.read(LENGTH_BITS[lengthCode]);
    if (i < count - 1) {
      length = lengths.base[length] + stream.read(lengths.bits[length]);
      match = matches.base[match] + stream.read(matches.bits[match]);
      offset = offsets.base[offset] + stream.read(offsets.bits[offset]);
    }
    if (stream.left < 0 || taken + copied > literals.length) fail("sequences are cut off");
    out.append(literals.subarray(taken, taken + copied));
    taken += copied;
    out.repeat(offsetOf(value, copied, tables.latest), repeated);
  }
  stream.end();
  out.append(literals.subarray(taken));
}

/** Content size that a frame states, and the position of its first block. */
function readFrameHeader(frame) {
  if (frame.length < 6) fail("it is cut off");
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== MAGIC) fail("it does not start as one");
  const flags = frame[4];
  const single = (flags >> 5) & 1;
  if (flags & 8) fail("a reserved bit is set");
  if (flags & 3) fail("it needs a dictionary");
  const width = [single, 2, 4, 8][flags >> 6];
  if (!width) fail("it does not state its content size");
  const start = single ? 5 : 6;
  if (start + width > frame.length) fail("it is cut off");
  let size = width === 2 ? 256 : 0;
  for (let i = width - 1, unit = 256 ** i; i >= 0; i--, unit /= 256) size += unit * frame[start + i];
  return { size, start: start + width, checksum: flags & 4 ? 4 : 0 };
}

/**
 * Content of a zstd frame that fills `frame`.
 *
 * @param {Uint8Array} frame
 * @param {number} least smallest size of the content in bytes
 * @param {number} most largest size of the content in bytes
 * @returns {Uint8Array}
 */
export function decompress(frame, least, most) {
  const { size, start, checksum } = readFrameHeader(frame);
  if (size < least || size > most) fail(`it states ${size} bytes of content, not ${least} to ${most}`);
  const out = new Output(size);
  const tables = { latest: [1, 4, 8] };
  let position = start;
  for (let last = false; !last; ) {
    if (position + 3 > frame.length) fail("it is cut off");
    const header = frame[position] | (frame[position + 1] << 8) | (frame[position + 2] << 16);
    position += 3;
    last = (header & 1) === 1;
    const type = (header >> 1) & 3;
    const length = header >> 3;
    const end = position + (type === 1 ? 1 : length);
    if (length > BLOCK_LIMIT || type === 3 || end > frame.length) fail("a block is wrong");
    if (type === 0) out.append(frame.subarray(position, end));
    if (type === 1) out.fill(frame[position], length);
    if (type === 2) readBlock(frame.subarray(position, end), tables, out);
    position = end;
  }
  if (position + checksum !== frame.length) fail("there is something behind it");
  if (out.length !== size) fail("it holds less than it states");
  return out.bytes;
}
