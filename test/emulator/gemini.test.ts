import { GoogleGenAI } from "@google/genai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Gemini, startGemini } from "../../src/emulator/gemini.ts";
import { gradientPng, pngSize } from "../../src/emulator/png.ts";

const model = "gemini-3.1-flash-lite";
let gemini: Gemini;
beforeAll(async () => {
  gemini = await startGemini({ host: ["127.0.0.1", "127.0.0.2"], pieceMs: 0 });
});
afterAll(() => gemini.close());

const client = (apiKey = gemini.apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gemini.url } });

describe("through Google's own client", () => {
  test("text is answered, and says that it is a stand-in", async () => {
    const answer = await client().models.generateContent({ model, contents: "Hello there" });
    expect(answer.text).toBe(`[local stand-in for ${model}] You said: Hello there`);
    expect(answer.usageMetadata).toMatchObject({
      promptTokenCount: 3,
      totalTokenCount: 3 + Math.ceil(answer.text!.length / 4),
    });
    expect(answer.candidates?.[0]?.finishReason).toBe("STOP");
  });

  test("a stream gives the same text in pieces", async () => {
    const pieces: string[] = [];
    for await (const piece of await client().models.generateContentStream({
      model,
      contents: "Hello there",
    })) {
      pieces.push(piece.text ?? "");
    }
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(`[local stand-in for ${model}] You said: Hello there`);
  });

  test("an image is described by type, bytes and real size", async () => {
    const png = gradientPng(17, 9);
    const answer = await client().models.generateContent({
      model,
      contents: [{ inlineData: { mimeType: "image/png", data: png.toString("base64") } }, "what?"],
    });
    expect(answer.text).toContain(`an image (image/png, ${png.length} bytes, 17×9 pixels)`);
  });

  test("a wrong key and an unknown model are Google's errors", async () => {
    await expect(client("wrong").models.generateContent({ model, contents: "x" })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("API_KEY_INVALID"),
    });
    await expect(client().models.generateContent({ model: "gemini-0", contents: "x" })).rejects.toMatchObject(
      { status: 404, message: expect.stringContaining("NOT_FOUND") },
    );
  });

  test("a model can be looked up", async () => {
    expect(await client().models.get({ model })).toMatchObject({ name: `models/${model}` });
  });
});

test("no key at all is 403", async () => {
  expect((await fetch(`${gemini.url}/v1beta/models`)).status).toBe(403);
});

test("it answers on every address asked for", async () => {
  expect((await fetch(`http://127.0.0.2:${gemini.port}/image.png`)).status).toBe(200);
});

test("the demo image is a real PNG", async () => {
  const image = Buffer.from(await (await fetch(`${gemini.url}/image.png`)).arrayBuffer());
  expect(pngSize(image)).toEqual({ width: 64, height: 48 });
});
