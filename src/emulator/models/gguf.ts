/** A value of a GGUF file's header. Numbers say how they are stored. */
export type GgufValue =
  | string
  | boolean
  | { u32: number }
  | { f32: number }
  | { strings: readonly string[] }
  | { floats: readonly number[] }
  | { ints: readonly number[] };

/** One matrix of 32-bit floats. `shape`: the fastest-running dimension first, as GGUF counts. */
export interface GgufTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

const version = 3;
const alignment = 32;
/** Type numbers of the format. Source: the GGUF specification of ggml. */
const type = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

/**
 * A model file in the GGUF format, version 3, with tensors of 32-bit floats.
 * @example writeGguf({ "general.architecture": "llama" }, [{ name: "token_embd.weight", shape: [64, 300], data }])
 */
export function writeGguf(
  header: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): Buffer {
  const entries = Object.entries(header);
  const parts: Buffer[] = [
    Buffer.from("GGUF"),
    uint32(version),
    uint64(tensors.length),
    uint64(entries.length),
  ];
  for (const [key, value] of entries) parts.push(text(key), encoded(value));
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    parts.push(text(name), uint32(shape.length), ...shape.map(uint64), uint32(0), uint64(offset));
    offset = aligned(offset + data.byteLength);
  }
  const head = padded(Buffer.concat(parts));
  const bodies = tensors.map(({ data }) =>
    padded(Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
  );
  return Buffer.concat([head, ...bodies]);
}

function encoded(value: GgufValue): Buffer {
  if (typeof value === "string") return Buffer.concat([uint32(type.string), text(value)]);
  if (typeof value === "boolean") return Buffer.concat([uint32(type.bool), Buffer.from([value ? 1 : 0])]);
  if ("u32" in value) return Buffer.concat([uint32(type.u32), uint32(value.u32)]);
  if ("f32" in value) return Buffer.concat([uint32(type.f32), float32(value.f32)]);
  if ("strings" in value) return array(type.string, value.strings.map(text));
  if ("floats" in value) return array(type.f32, value.floats.map(float32));
  return array(type.i32, value.ints.map(uint32));
}

function array(of: number, items: readonly Buffer[]): Buffer {
  return Buffer.concat([uint32(type.array), uint32(of), uint64(items.length), ...items]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function uint64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function float32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return buffer;
}

function aligned(size: number): number {
  return Math.ceil(size / alignment) * alignment;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
}
