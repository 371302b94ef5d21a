// Tokens, frequency tables, rANS and coded parts (SPEC, section 6).

import { Bits, check } from "./bytes.js";

const [TOTAL, FIRST_STATE] = [4096, 65536];

/** Frequency tables (E-3, E-4) that fill the cursor; `contexts` is their number where it is prescribed. */
export class Tables {
  constructor(cursor, contexts) {
    this.contexts = cursor.count(contexts ?? 1, contexts ?? 1024, "number of contexts");
    this.symbols = cursor.count(1, 256, "number of symbols");
    cursor.check(2 * this.contexts <= cursor.left, "tables are cut off");
    this.escape = this.symbols - 1;
    [this.freq, this.start] = [1, 2].map(() => new Uint16Array(this.contexts * this.symbols));
    this.owner = new Uint8Array(this.contexts * TOTAL); // symbol of each slot
    for (let context = 0; context < this.contexts; context++) this.readContext(cursor, context);
    cursor.end();
  }
  readContext(cursor, context) {
    const row = context * this.symbols;
    const first = cursor.count(0, this.escape, "first symbol");
    const listed = cursor.count(0, this.escape - first, "number of listed symbols");
    let left = TOTAL;
    for (let s = row + first; s < row + first + listed; s++) left -= this.freq[s] = cursor.count(0, left - 1, "frequency");
    this.freq[row + this.escape] = left;
    for (let s = 0, start = 0; s < this.symbols; s++) {
      this.start[row + s] = start;
      this.owner.fill(s, context * TOTAL + start, context * TOTAL + (start += this.freq[row + s]));
    }
  }
}

/** Decoder of a rANS part of n symbols that fills the cursor (E-5 to E-9). */
export class Rans {
  constructor(cursor, n) {
    const lanes = 2 ** Math.min(Math.floor(Math.log2(Math.max(n / 1024, 1))), 5);
    this.states = Array.from({ length: lanes }, () => cursor.u32());
    cursor.check(cursor.left % 2 === 0, "half a word");
    Object.assign(this, { words: cursor, lane: 0 });
  }
  get slot() { return this.states[this.lane] % TOTAL; }
  /** Go to the next symbol, after one that starts at `start` and has frequency `freq`. */
  advance(start, freq) {
    const state = freq * (this.states[this.lane] >>> 12) + this.slot - start;
    this.states[this.lane] = state < FIRST_STATE ? state * 65536 + this.words.u16() : state;
    this.lane = (this.lane + 1) % this.states.length;
  }
  symbol(tables, context) {
    const symbol = tables.owner[context * TOTAL + this.slot];
    this.advance(tables.start[context * tables.symbols + symbol], tables.freq[context * tables.symbols + symbol]);
    return symbol;
  }
  end() {
    this.words.end();
    this.words.check(this.states.every((state) => state === FIRST_STATE), "a rANS part ends in a wrong state");
  }
}

/** Decoder of a coded part of n values (E-10) that fills the cursor. */
export class CodedPart {
  constructor(cursor, n, tables) {
    const rans = new Rans(cursor.sized(), n);
    Object.assign(this, { tables, rans, bits: new Bits(cursor.rest(), cursor.what) });
  }
  /** The next value, in a context: a token and its extra bits (E-1, E-2). */
  next(context) {
    const symbol = this.rans.symbol(this.tables, context);
    const token = symbol === this.tables.escape ? this.bits.read(8) : symbol;
    check(token <= 123, `${this.bits.what}: token ${token} is above 123`);
    const width = ((token - 8) >> 2) + 1;
    return token < 8 ? token : (4 + (token & 3)) * 2 ** width + this.bits.read(width);
  }
  end() {
    this.rans.end();
    this.bits.end();
  }
}

/** Half-octave of a positive integer below 2^32 (E-11). */
export function halfOctave(value) {
  const h = 31 - Math.clz32(value);
  return h && 2 * h + ((value >>> (h - 1)) & 1);
}
