import { expect, test } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import { Engine } from "../support/engine.ts";
import { startMachine } from "../support/machines.ts";
import { freePort } from "../support/sshd.ts";

test("a model whose Ollama is dead goes with its rented server; on a host of one's own it is an error", async () => {
  await using machine = await startMachine();
  await using engine = await Engine.start();
  const { address, port, user, privateKey } = machine;
  const ssh = await connect({ address, port, user, privateKey, hostKey: undefined }, { timeoutMs: 10_000 });
  const { hostKey } = ssh;
  await ssh.close();
  const connection = { address, port, user, privateKey, hostKey };
  const state = { model: "gemma3:4b", tag: "gemma3:4b", port: await freePort(), status: "not-answering" };
  await engine.delete("Model", "gemma3:4b", { ...state, connection: { ...connection, orderId: 1939941 } });
  expect(engine.lines.join("\n")).toMatch(/gemma3:4b .* given back/);
  await expect(engine.delete("Model", "gemma3:4b", { ...state, connection })).rejects.toThrow(
    /ollama\.not-answering/,
  );
});
