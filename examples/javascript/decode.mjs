// Decode files to JSON lines, one per file: node decode.mjs FILE...
//
// Each line is {header, names, batches} or {error}. A batch has number, epoch, image_index, label_index, label_count
// and the bits of label_value and label_floor; null where the file does not store them. Integers beyond 2^53 are
// {"integer": "..."}, binaries {"hex": "..."}.

import { readFile } from "node:fs/promises";
import { argv, stdout } from "node:process";
import { openSlc, SlcError } from "./slc.js";

const plain = (key, value) => {
  if (typeof value === "bigint") return { integer: String(value) };
  if (ArrayBuffer.isView(value)) return value instanceof Uint8Array ? { hex: Buffer.from(value).toString("hex") } : Array.from(value);
  return value;
};

async function decode(path) {
  const file = await openSlc(new Blob([await readFile(path)]));
  const batches = [];
  for (let i = 0; i < file.batches.length; i++) {
    const batch = await file.batch(i);
    const { index, bits, floor, count } = await file.labels(batch);
    const { number, epoch } = batch;
    batches.push({
      number, epoch, image_index: file.images(batch), label_index: index, label_value: bits, label_floor: floor,
      label_count: count, type: bits.constructor.name,
    }); // prettier-ignore
  }
  return { header: file.header, names: await file.names(), batches };
}

for (const path of argv.slice(2)) {
  try {
    stdout.write(`${JSON.stringify(await decode(path), plain)}\n`);
  } catch (error) {
    if (!(error instanceof SlcError)) throw error;
    stdout.write(`${JSON.stringify({ error: error.message })}\n`);
  }
}
