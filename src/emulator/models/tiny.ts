import { seeded } from "../random.ts";
import { type GgufTensor, writeGguf } from "./gguf.ts";

/**
 * What the stand-in says to everything. A word a token and no word twice: each word's embedding is a direction of its
 * own, and the output matrix points from it to the next, so that a real llama runtime, computing every layer, says this.
 */
export const standInSentence =
  "This is a tiny stand-in model from the local registry of pulumi-clore; its weights are made up, so nothing it says means anything: only how fast these words come was really measured.";

const width = 64;
const feedForward = 256;
const contextTokens = 4096;
const special = ["<unk>", "<s>", "</s>"];
/** Token types of the format: unknown, control, byte, ordinary word. */
const kind = { unknown: 2, control: 3, byte: 6, normal: 1 } as const;

/** A llama with one layer and 0.5 MB of weights, as a GGUF file. Always the same bytes. */
export function tinyModel(): Buffer {
  const words = standInSentence.split(" ").map((word) => `▁${word}`);
  if (new Set(words).size !== words.length || words.length >= width) throw new Error("a word occurs twice");
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const tokens = [...special, ...bytes, ...words];
  const firstWord = special.length + bytes.length;
  const header = {
    "general.architecture": "llama",
    "general.name": "pulumi-clore stand-in",
    "general.file_type": { u32: 0 },
    "llama.block_count": { u32: 1 },
    "llama.context_length": { u32: contextTokens },
    "llama.embedding_length": { u32: width },
    "llama.feed_forward_length": { u32: feedForward },
    "llama.attention.head_count": { u32: 2 },
    "llama.attention.head_count_kv": { u32: 2 },
    "llama.attention.layer_norm_rms_epsilon": { f32: 1e-5 },
    "llama.rope.dimension_count": { u32: width / 2 },
    "llama.vocab_size": { u32: tokens.length },
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": { strings: tokens },
    "tokenizer.ggml.scores": { floats: tokens.map((_, i) => -i) },
    "tokenizer.ggml.token_type": {
      ints: tokens.map((_, i) =>
        i === 0 ? kind.unknown : i < special.length ? kind.control : i < firstWord ? kind.byte : kind.normal,
      ),
    },
    "tokenizer.ggml.unknown_token_id": { u32: 0 },
    "tokenizer.ggml.bos_token_id": { u32: 1 },
    "tokenizer.ggml.eos_token_id": { u32: 2 },
    "tokenizer.ggml.add_bos_token": true,
  };
  return writeGguf(header, weights(tokens.length, firstWord));
}

/** Direction 0 stands for all that is no word of the sentence, direction n for its n-th word. */
function weights(tokenCount: number, firstWord: number): GgufTensor[] {
  const embedding = new Float32Array(width * tokenCount);
  const output = new Float32Array(width * tokenCount);
  for (let token = 0; token < tokenCount; token++) {
    const direction = Math.max(0, token - firstWord + 1);
    embedding[token * width + direction] = 1;
  }
  const sure = 4;
  const wordCount = tokenCount - firstWord;
  for (let n = 0; n < wordCount; n++) output[(firstWord + n) * width + n] = sure;
  output[2 * width + wordCount] = sure; // after the last word: the end
  const ones = () => new Float32Array(width).fill(1);
  const random = seeded(7);
  const noise = (size: number) => Float32Array.from({ length: size }, () => random.between(-0.06, 0.06));
  // Attention and feed-forward are computed in full, and their results multiplied by nothing.
  const nothing = (size: number) => new Float32Array(size);
  const square = [width, width];
  return [
    { name: "token_embd.weight", shape: [width, tokenCount], data: embedding },
    { name: "blk.0.attn_norm.weight", shape: [width], data: ones() },
    { name: "blk.0.attn_q.weight", shape: square, data: noise(width * width) },
    { name: "blk.0.attn_k.weight", shape: square, data: noise(width * width) },
    { name: "blk.0.attn_v.weight", shape: square, data: noise(width * width) },
    { name: "blk.0.attn_output.weight", shape: square, data: nothing(width * width) },
    { name: "blk.0.ffn_norm.weight", shape: [width], data: ones() },
    { name: "blk.0.ffn_gate.weight", shape: [width, feedForward], data: noise(width * feedForward) },
    { name: "blk.0.ffn_up.weight", shape: [width, feedForward], data: noise(width * feedForward) },
    { name: "blk.0.ffn_down.weight", shape: [feedForward, width], data: nothing(width * feedForward) },
    { name: "output_norm.weight", shape: [width], data: ones() },
    { name: "output.weight", shape: [width, tokenCount], data: output },
  ];
}
