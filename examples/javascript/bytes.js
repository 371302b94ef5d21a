// Bytes, integers, bits, columns, checksums and msgpack maps (SPEC, sections 2 and 5.2).

import { decompress } from "./zstd.js";

/** A file that breaks the specification, or needs what this reader lacks. */
export class SlcError extends Error {
  name = "SlcError";
}

export function check(condition, reason) {
  if (!condition) throw new SlcError(reason);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** CRC-32 of several pieces, one behind the other (G-9). */
export function crc32(...pieces) {
  let crc = 0xffffffff;
  for (const piece of pieces) for (const byte of piece) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return (crc ^ 0xffffffff) >>> 0;
}

export function utf8(bytes, what) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SlcError(`${what} is not UTF-8`);
  }
}

/** Bits of a stretch of bytes, lowest first (G-6). */
export class Bits {
  constructor(bytes, what) {
    Object.assign(this, { bytes, what, position: 0 });
  }
  /** The next n bits as Number, n <= 32. */
  read(n) {
    if (n > 16) return this.read(16) + this.read(n - 16) * 65536;
    const [i, shift] = [this.position >> 3, this.position & 7];
    this.position += n;
    check(this.position <= 8 * this.bytes.length, `${this.what}: bits are cut off`);
    return ((this.bytes[i] | (this.bytes[i + 1] << 8) | (this.bytes[i + 2] << 16)) >> shift) & ((1 << n) - 1);
  }
  end() {
    check(Math.ceil(this.position / 8) === this.bytes.length, `${this.what}: there are bytes behind the last bit`);
  }
}

/** Bytes of a record, stream or part, read from first to last; nothing reaches past their end (G-4). */
export class Cursor {
  constructor(bytes, what) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    Object.assign(this, { bytes, what, view, position: 0 });
  }
  /** Skip n bytes; where they start. */
  skip(n) {
    this.check(n <= this.left, `cut off, ${n} bytes expected and ${this.left} left`);
    return (this.position += n) - n;
  }
  get left() { return this.bytes.length - this.position; }
  check(condition, reason) { check(condition, `${this.what}: ${reason}`); }
  end() { this.check(this.left === 0, `${this.left} bytes too many`); }
  take(n) { return this.bytes.subarray(this.skip(n), this.position); }
  rest() { return this.take(this.left); }
  part(n) { return new Cursor(this.take(n), this.what); }
  u8() { return this.view.getUint8(this.skip(1)); }
  u16() { return this.view.getUint16(this.skip(2), true); }
  u32() { return this.view.getUint32(this.skip(4), true); }
  u64() { return this.view.getBigUint64(this.skip(8), true); }
  /** A varint as BigInt (G-2). */
  varint(shortest = false) {
    for (let value = 0n, i = 0n; i < 9n; i++) {
      const byte = this.u8();
      value |= BigInt(byte & 127) << (7n * i);
      this.check(!shortest || !i || byte, "a varint takes more bytes than it needs");
      if (byte < 128) return value;
    }
    throw new SlcError(`${this.what}: a varint is longer than 9 bytes`);
  }
  /** A varint in least..most as Number. */
  count(least, most, name) {
    const value = this.varint();
    this.check(value >= least && value <= most, `${name} ${value} is not in ${least}..${most}`);
    return Number(value);
  }
  /** A varint and as many bytes, to be read on their own. */
  sized() { return this.part(this.count(0, this.left, "length")); }
  /** n fixed integers of w bits, as bits (B-6). */
  fixed(n, w) { return new Bits(this.take(Math.ceil((n * w) / 8)), this.what); }
  /** A signed varint as BigInt (G-3). */
  signed() {
    const code = this.varint();
    return code & 1n ? -(code + 1n) / 2n : code / 2n;
  }
  /** n packed integers as BigInt64Array (B-7). */
  packed(n) {
    const [low, w] = [this.signed(), this.u8()];
    this.check(low >= -(2n ** 62n) && low < 2n ** 62n && w <= 62, "packed integers are out of range");
    const [bits, high] = [this.fixed(n, w), Math.max(w - 32, 0)];
    return BigInt64Array.from({ length: n }, () => low + BigInt(bits.read(w - high)) + (BigInt(bits.read(high)) << 32n));
  }
  /** n packed integers that must lie in least..most, as Numbers. */
  integers(n, least, most, name) {
    return Float64Array.from(this.packed(n), (value) => {
      this.check(value >= least && value <= most, `${name} ${value} is not in ${least}..${most}`);
      return Number(value);
    });
  }
  /** A float column (B-8): bits of n values, in an array of type Uint16Array or Uint32Array. */
  floats(n, Type) {
    const [form, size] = [this.u8(), n * Type.BYTES_PER_ELEMENT];
    this.check(form <= 1, `unknown form ${form} of a float column`);
    const planes = form ? decompress(this.rest(), size, size) : this.rest();
    this.check(planes.length === size, `a float column of ${planes.length} bytes, not ${size}`);
    const out = new Type(n);
    for (let i = size - 1; i >= 0; i--) out[i % n] = (out[i % n] << 8) | planes[i];
    return out;
  }
}

export const isMap = (value) => typeof value === "object" && value && Object.getPrototypeOf(value) === null;

/** The map that fills the bytes (G-8), of at most `most` keys and values. Integers beyond 2^53 are BigInt. */
export function unpackMap(bytes, what, most = 2 ** 20) {
  const cursor = new Cursor(bytes, what);
  const map = unpack(cursor, { left: most }, 0);
  cursor.check(isMap(map), "not a map");
  cursor.end();
  return map;
}

function unpack(cursor, limit, depth) {
  cursor.check(limit.left-- > 0 && depth < 64, "too many values, or nested too deeply");
  const byte = cursor.u8();
  const next = () => unpack(cursor, limit, depth + 1);
  const big = (first) => cursor.take(1 << (byte - first)).reduce((value, b) => value * 256n + BigInt(b), 0n);
  const whole = (value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
  const text = (n) => utf8(cursor.take(Number(n)), cursor.what);
  const list = (n) => Array.from({ length: Math.min(Number(n), cursor.left + 1) }, next);
  const map = (n) => {
    const out = Object.create(null);
    for (let i = 0; i < n; i++) {
      const key = next();
      cursor.check(typeof key === "string" && !(key in out), `key ${String(key)} is no string, or there twice`);
      out[key] = next();
    }
    return out;
  };
  if (byte < 0x80 || byte >= 0xe0) return (byte << 24) >> 24;
  if (byte < 0xc0) return byte < 0x90 ? map(byte & 15) : byte < 0xa0 ? list(byte & 15) : text(byte & 31);
  if (byte === 0xc0 || byte === 0xc2 || byte === 0xc3) return [null, , false, true][byte & 3];
  if (byte >= 0xc4 && byte <= 0xc6) return cursor.take(Number(big(0xc4)));
  if (byte === 0xca) return cursor.view.getFloat32(cursor.skip(4));
  if (byte === 0xcb) return cursor.view.getFloat64(cursor.skip(8));
  if (byte >= 0xcc && byte <= 0xcf) return whole(big(0xcc));
  if (byte >= 0xd0 && byte <= 0xd3) return whole(BigInt.asIntN(8 << (byte - 0xd0), big(0xd0)));
  if (byte >= 0xd9 && byte <= 0xdb) return text(big(0xd9));
  if (byte >= 0xdc && byte <= 0xdd) return list(big(0xdb));
  if (byte >= 0xde && byte <= 0xdf) return map(big(0xdd));
  throw new SlcError(`${cursor.what}: byte ${byte} is not allowed in a map`);
}
