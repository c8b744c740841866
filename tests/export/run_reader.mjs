// Reads tickets with the exported reader, for tests/export/test_javascript.py: one line of JSON for each line of standard input.
//   node run_reader.mjs READER < lines of {"file": PATH, "images": [[bytes], ...] or absent}

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { networkOf, readTicket, regenerate, weightsDigest } = await import(pathToFileURL(process.argv[2]));

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { file, images } = JSON.parse(line);
  try {
    const ticket = readTicket(new Uint8Array(readFileSync(file)));
    const weights = regenerate(ticket);
    const scores = images && images.map((image) => Array.from(networkOf(ticket, weights)(Uint8Array.from(image))));
    const buffers = Object.fromEntries(Object.entries(ticket.buffers).map(([name, values]) => [name, Array.from(values)]));
    console.log(JSON.stringify({ digest: weightsDigest(weights), expected: ticket.header.weights_sha256, buffers, scores }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.name }));
  }
}
