import { constants } from "node:os";
import { StringDecoder } from "node:string_decoder";
import type { ClientChannel } from "ssh2";
import { CloreError } from "../core/errors.ts";
import { bounded, lost } from "./errors.ts";
import type { Link } from "./link.ts";
import { quote } from "./quote.ts";
import type { ExecOptions, ExecResult } from "./types.ts";

const DEFAULT_MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** How long a command may take to end after SIGTERM, and after SIGKILL, before we walk away from it. */
const TERM_GRACE_MS = 1_000;
const KILL_GRACE_MS = 500;

/** The command was not handed over: it is safe to run it again. `refused`: the host opens no further channel. */
export class NotStarted extends Error {
  readonly refused: boolean;

  constructor(refused: boolean, options: { cause: unknown }) {
    super("the command was not started", options);
    this.refused = refused;
  }
}

/** Runs one command on a live connection. @throws CloreError `ssh.*`, NotStarted, the signal's reason */
export function execOn(link: Link, command: string, options: ExecOptions): Promise<ExecResult> {
  const max = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const stdout = new Capture("stdout", max);
  const stderr = new Capture("stderr", max);
  let channel: ClientChannel | undefined;
  let stopping: { error: unknown } | undefined;
  let grace: NodeJS.Timeout | undefined;

  return new Promise<ExecResult>((resolve, reject) => {
    if (options.signal?.aborted) {
      reject(options.signal.reason);
      return;
    }
    let settled = false;
    const settle = (result: ExecResult | { error: unknown }) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      clearTimeout(grace);
      options.signal?.removeEventListener("abort", onAbort);
      offLost();
      if ("error" in result) reject(result.error);
      else resolve(result);
    };

    // Ends the command where the host lets us, then reports why. A command that ignores all of it is left behind.
    const stop = (error: unknown) => {
      if (stopping) return;
      stopping = { error };
      if (!channel) return settle(stopping);
      sendSignal(link, channel, "TERM");
      grace = setTimeout(() => {
        sendSignal(link, channel!, "KILL");
        grace = setTimeout(() => {
          channel!.pause(); // closes the window: a host that goes on sending is not listened to
          channel!.close();
          settle(stopping!);
        }, KILL_GRACE_MS);
      }, TERM_GRACE_MS);
    };
    const onAbort = () => stop(options.signal?.reason);
    const timer = setTimeout(
      () => stop(timedOut(link.where, options.timeoutMs, stdout, stderr)),
      options.timeoutMs,
    );
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const offLost = link.onLost(() => {
      const error = lost(link.where, link.lostBecause, channel !== undefined);
      settle({ error: stopping?.error ?? (channel ? error : new NotStarted(false, { cause: error })) });
    });

    const take = (capture: Capture, data: Buffer) => {
      if (stopping) return;
      try {
        const text = capture.add(data);
        if (text) options.onOutput?.(capture.name, text);
        if (capture.bytes > max) stop(tooMuchOutput(link.where, capture));
      } catch (error) {
        stop(error);
      }
    };

    const onOpen = (error: Error | undefined, opened: ClientChannel) => {
      if (error) {
        if (!link.alive) return; // the loss of the connection, which follows, says more
        const cause = noExec(link.where, error);
        const refused = typeof (error as { reason?: unknown }).reason === "number";
        settle({ error: refused ? new NotStarted(true, { cause }) : cause });
        return;
      }
      if (settled) {
        opened.close();
        return;
      }
      channel = opened;
      let open = 2;
      const onePartClosed = () => {
        if (--open > 0) return;
        if (stopping) return settle(stopping);
        if (exitCode === undefined) {
          return settle({
            error: lost(link.where, "the host closed the channel without an exit code", true),
          });
        }
        settle({ exitCode, stdout: stdout.text(), stderr: stderr.text() });
      };
      let exitCode: number | undefined;
      opened.on("exit", (code: number | null, signal?: string) => {
        exitCode = code ?? 128 + signalNumber(signal);
      });
      opened.on("data", (data: Buffer) => take(stdout, data));
      opened.stderr.on("data", (data: Buffer) => take(stderr, data));
      opened.on("error", (cause: Error) => stop(cause));
      opened.on("close", () => link.alive && onePartClosed());
      opened.stderr.on("end", () => link.alive && onePartClosed());
      opened.end(options.stdin);
    };

    try {
      link.client.exec(`exec /bin/sh -c ${quote([command])}`, onOpen);
    } catch (cause) {
      settle({ error: new NotStarted(false, { cause: lost(link.where, String(cause), false) }) });
    }
  });
}

/** One stream's output, bounded. */
class Capture {
  readonly name: "stdout" | "stderr";
  bytes = 0;
  readonly #max: number;
  readonly #chunks: Buffer[] = [];
  readonly #decoder = new StringDecoder("utf8");

  constructor(name: "stdout" | "stderr", max: number) {
    this.name = name;
    this.#max = max;
  }

  /** Keeps the bytes and gives what can be shown of them: a character cut in two comes with its second half. */
  add(data: Buffer): string {
    const room = this.#max - this.bytes;
    this.bytes += data.length;
    const kept = data.length > room ? data.subarray(0, Math.max(0, room)) : data;
    this.#chunks.push(kept);
    return this.#decoder.write(kept);
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}

function sendSignal(link: Link, channel: ClientChannel, name: "TERM" | "KILL"): void {
  // ssh2's channel.signal() does nothing once stdin was ended, although SSH allows it: hence one floor below.
  const { _protocol: protocol } = link.client as unknown as {
    _protocol?: { signal(id: number, name: string): void };
  };
  const { outgoing } = channel as unknown as { outgoing: { id: number; state: string } };
  if (link.alive && outgoing.state !== "closed" && outgoing.state !== "closing")
    protocol?.signal(outgoing.id, name);
}

function signalNumber(name: string | undefined): number {
  return (constants.signals as Record<string, number>)[name ?? ""] ?? 0;
}

function timedOut(where: string, timeoutMs: number, stdout: Capture, stderr: Capture): CloreError {
  return new CloreError("ssh.command-timed-out", {
    message: `a command on ${where} did not end within ${timeoutMs / 1000} s and was told to stop`,
    seen: bounded(stderr.text() || stdout.text()) || "no output",
    hint: "it may have done part of its work: look before repeating it",
    retry: "look-first",
  });
}

function tooMuchOutput(where: string, capture: Capture): CloreError {
  return new CloreError("ssh.too-much-output", {
    message: `a command on ${where} wrote more to ${capture.name} than may be kept and was told to stop`,
    seen: bounded(capture.text()),
    hint: "let it write to a file, or raise maxOutputBytes",
    retry: "look-first",
  });
}

function noExec(where: string, cause: Error): CloreError {
  return new CloreError("ssh.no-exec", {
    message: `${where} lets us log in but runs no commands`,
    seen: bounded(cause.message),
    hint: "check the account's shell, and ForceCommand and restrictions in its authorized_keys",
    cause,
  });
}
