// Writes tests/fixtures/tokens.csv: how many tokens strings are, by npm's `tiktoken` (OpenAI's own
// tokenizer, compiled to WebAssembly). Text that looks like a special token counts as text.
//
//     npm install && npm run write              writes the same file again
//     node write.js 7 others.csv                other strings: another seed
//
// The strings are slices of one corpus: the parts of tests/fixtures/corpus.json, joined. A row is
//
//     slices,tokens in o200k_base,tokens in cl100k_base
//
// and a slice is start:length or start:length*times, in Unicode scalar values. Slices follow each other
// with a blank between, and the string is all of them joined. What cannot be seen is escaped in the
// corpus; a part that is added at its end leaves the places of the others as they are.

import { readFileSync, writeFileSync } from "node:fs";
import { get_encoding } from "tiktoken";

const fixtures = new URL("../../tests/fixtures/", import.meta.url);
const seed = Number(process.argv[2] ?? 20261122);
const output = process.argv[3] ?? new URL("tokens.csv", fixtures);
const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

const parts = JSON.parse(readFileSync(new URL("corpus.json", fixtures), "utf8")).map((part) => [...part]);
const corpus = parts.flat();
const text = corpus.join("");

const rows = new Map(); // of each string: its slices
const add = (...slices) => {
  const string = slices.map(cutOut).join("");
  if (!rows.has(string)) rows.set(string, slices.join(" "));
};
const slice = (start, length, times = 1) => `${start}:${length}${times > 1 ? `*${times}` : ""}`;

// Nothing; each part alone.
add(slice(0, 0));
let start = 0;
for (const part of parts) {
  add(slice(start, part.length));
  start += part.length;
}

// Runs: of letters, digits, punctuation, blanks, marks, emoji.
const RUNS = [
  ..."aAzZéüßяЖ漢あカ한कاא0159٣²'\"’-–/=._*#\\~!?,:;(){[<|$%&@^+`😀❤ \t\n\r",
  ..."\u0301\u200b\u200d\u00a0\u3000\u0085\0\ufffd\ue000",
  ..."ha,haha, a,1 ,ab,AB,Aa,a1,1a,-=,'s,'S,12,x , x,a\n,//,/*,{},[],();,👍🏽,👩‍🚀,e\u0301,\r\n, \n,\n\t,今天".split(","),
];
for (const run of RUNS) {
  for (const times of [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 50, 64, 100, 257]) {
    add(find(run, times));
  }
}

// Blanks, and what stands around them.
for (const blank of [" ", "\t", "\n", "\r\n", "\u00a0", "\u3000", " \n", "\n\t"]) {
  for (const times of [1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 79, 80, 81, 82, 83, 100, 127, 128, 129, 1_000]) {
    const blanks = find(blank, times);
    for (const [left, right] of [["", "x"], ["x", "x"], ["", "\n"], ["\n", "a"], [".", "'"], ["1", "!"], ["今", "天"]]) {
      add(...[left && find(left), blanks, find(right)].filter(Boolean));
    }
  }
}

// Random ones: a slice, several joined, one repeated. Short ones are many, long ones are few.
const random = generator(seed);
const upTo = (limit) => Math.floor(random() * limit);
const length = (longest) => Math.floor(Math.exp(random() * Math.log(longest + 1)));
const anywhere = (longest, times) => {
  const taken = Math.min(length(longest), corpus.length);
  return slice(upTo(corpus.length - taken + 1), taken, times);
};
const draw = (count, slices) => {
  for (const goal = rows.size + count; rows.size < goal; ) add(...slices());
};
draw(2_400, () => [anywhere(600)]);
draw(40, () => [anywhere(20_000)]);
draw(1_500, () => Array.from({ length: 2 + upTo(3) }, () => anywhere(40)));
draw(500, () => [anywhere(24, 2 + upTo(60))]);

// Longer than the library counts in one piece, so that it cuts them, anywhere in the corpus.
draw(10, () => {
  const start = upTo(corpus.length - 5_000);
  return [slice(start, corpus.length - start), slice(0, corpus.length)];
});

const encodings = [get_encoding("o200k_base"), get_encoding("cl100k_base")];
const lines = [...rows].map(([string, slices]) =>
  [slices, ...encodings.map((encoding) => encoding.encode_ordinary(string).length)].join(","),
);
writeFileSync(output, `# npm tiktoken ${dependencies.tiktoken}, seed ${seed}, scripts/token-vectors/write.js\n${lines.join("\n")}\n`);
console.log(`${rows.size} rows`);

function cutOut(slice) {
  const [start, length, times = 1] = slice.split(/[:*]/).map(Number);
  return corpus.slice(start, start + length).join("").repeat(times);
}

// The first place of `unit` in the corpus.
function find(unit, times) {
  const at = text.indexOf(unit);
  if (at < 0) throw new Error(`the corpus lacks ${JSON.stringify(unit)}`);
  return slice([...text.slice(0, at)].length, [...unit].length, times);
}

// Mulberry32: the same numbers in [0, 1) for the same seed, everywhere.
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
