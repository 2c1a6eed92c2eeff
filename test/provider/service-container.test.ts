import { expect, test } from "vitest";
import { specOf } from "../../src/provider/service-container.ts";
import { serviceInputs } from "../../src/provider/service-inputs.ts";

const connection = { address: "a", port: 22, user: "root", privateKey: "k", hostKey: "h" };
const gpu = { name: "NVIDIA GeForce RTX 3060", vramGb: 12, driver: "550" };

test.each([
  { asked: "all", there: [], gets: "all" },
  { asked: 2, there: [gpu], gets: 2 },
  { asked: "if-any", there: [gpu], gets: "all" },
  { asked: "if-any", there: [], gets: undefined },
  { asked: undefined, there: [gpu], gets: undefined },
])("a container that asks for $asked of $there.length GPUs gets $gets", ({ asked, there, gets }) => {
  const want = serviceInputs.parse({ name: "app", connection, container: { image: "x", gpus: asked } });
  expect(specOf(want, { gpus: there }).gpus).toBe(gets);
});
