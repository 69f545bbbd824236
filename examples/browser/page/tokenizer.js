// Texts to token ids by the bundle's tokenizer.json, as the runtime's tokenizer gives them.
//
// The library follows JavaScript's own rules in three places, where a text gets other ids than those
// the towers were trained with; tokenizer.json is rewritten there before the library reads it.

import { Tokenizer } from "./vendor/tokenizers.js";

// White_Space of Unicode. JavaScript's \s lacks U+0085 and has U+FEFF.
const SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
// The pattern of ByteLevel, of which the library has a copy with JavaScript's \s.
const BYTE_LEVEL =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

function unicodeSpaces(pattern) {
  return pattern.replace(/\[(?:\\.|[^\]\\])*\]|\\[sS]/g, (part) => {
    if (part === "\\s") return `[${SPACE}]`;
    if (part === "\\S") return `[^${SPACE}]`;
    return part.replaceAll("\\s", SPACE);
  });
}

/** Return a step of tokenizer.json as the steps that give the same in JavaScript. */
function rewritten(step) {
  if (Array.isArray(step)) return step.flatMap(rewritten);
  if (step === null || typeof step !== "object") return step;
  // JavaScript gives a sigma at the end of a word another letter, which depends on its neighbours.
  if (step.type === "Lowercase") {
    return [{ type: "Replace", pattern: { String: "Σ" }, content: "σ" }, step];
  }
  if (step.type === "ByteLevel" && step.use_regex) {
    const split = { type: "Split", pattern: { Regex: BYTE_LEVEL }, behavior: "Isolated" };
    return [rewritten({ ...split, invert: false }), { ...step, use_regex: false }];
  }
  const parts = Object.entries(step).map(([name, value]) => [
    name,
    name === "Regex" ? unicodeSpaces(value) : rewritten(value),
  ]);
  return Object.fromEntries(parts);
}

function sequence(parts, step) {
  return step === null ? null : { type: "Sequence", [parts]: [rewritten(step)].flat() };
}

/** Return the function from a text to its ids, at most `context`; the end token stays. */
export function openTokenizer(json, spec) {
  const tokenizer = new Tokenizer(
    {
      ...json,
      normalizer: sequence("normalizers", json.normalizer),
      pre_tokenizer: sequence("pretokenizers", json.pre_tokenizer),
      // A special token inside a text stays text: it cannot end the text early.
      added_tokens: [],
    },
    {},
  );
  return (text) => {
    const cleaned = spec.clean === "lower" ? text.replaceAll("Σ", "σ").toLowerCase() : text;
    const { ids } = tokenizer.encode(cleaned.toWellFormed());
    const long = ids.length > spec.context;
    const cut = long ? [...ids.slice(0, spec.context - 1), ids.at(-1)] : ids;
    const padding = spec.trim ? 0 : spec.context - cut.length;
    return [...cut, ...Array(padding).fill(spec.pad_id)];
  };
}
