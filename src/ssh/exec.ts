import { constants } from "node:os";
import type { ClientChannel } from "ssh2";
import { CloreError } from "../core/errors.ts";
import { Capture } from "./capture.ts";
import { bounded, lost } from "./errors.ts";
import type { Link } from "./link.ts";
import { endCommand, RemoteShell } from "./remotesh.ts";
import type { ExecOptions, ExecResult } from "./types.ts";

const DEFAULT_MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** How long ending a command may take (SIGTERM, a second, SIGKILL) before we walk away from it. */
const ENDING_MS = 4_000;
/** A longer timer of Node's would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The command was not handed over: it is safe to run it again. `refused`: the host opens no further channel. */
export class NotStarted extends Error {
  readonly refused: boolean;

  constructor(refused: boolean, options: { cause: CloreError }) {
    super("the command was not started", options);
    this.refused = refused;
  }
}

/** Runs one command on a live connection. @throws CloreError `ssh.*`, NotStarted, the signal's reason */
export function execOn(link: Link, command: string, options: ExecOptions): Promise<ExecResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
  const max = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const stdout = new Capture("stdout", max);
  const stderr = new Capture("stderr", max);
  const shell = new RemoteShell(command);
  let channel: ClientChannel | undefined;
  const spare = options.signal?.aborted ? undefined : link.spares.take();
  /** The request to run it was sent: from then on it may be running. */
  let handedOver = spare !== undefined;
  let exitCode: number | undefined;
  /** Why the command was told to stop, once it was. */
  let stopping: { reason: unknown } | undefined;
  let settled = false;

  const settle = (finish: () => void) => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    offLost();
    finish();
  };
  const fail = (reason: unknown) => settle(() => reject(stopping ? stopping.reason : reason));

  const stop = (reason: unknown) => {
    if (stopping || settled) return;
    if (!channel) return fail(reason);
    stopping = { reason };
    const walkAway = () => {
      channel?.pause(); // closes the window: a host that goes on sending is not listened to
      channel?.close();
      fail(reason);
    };
    void endRemotely(link, shell.pid).then(walkAway);
  };
  const onAbort = () => stop(options.signal?.reason);
  const timer = setTimeout(
    () => stop(timedOut(link.where, options.timeoutMs, stdout, stderr)),
    Math.min(options.timeoutMs, LONGEST_TIMER_MS),
  );
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const offLost = link.onLost(() => {
    const error = lost(link.where, link.lostBecause, handedOver);
    fail(handedOver ? error : new NotStarted(false, { cause: error }));
  });

  const take = (capture: Capture, data: Buffer) => {
    if (stopping || data.length === 0) return;
    try {
      const text = capture.add(data);
      if (text) options.onOutput?.(capture.name, text);
      if (capture.tooMuch) stop(tooMuchOutput(link.where, capture));
    } catch (error) {
      stop(error);
    }
  };

  const onEnd = () => {
    take(stdout, shell.stdout.rest());
    take(stderr, shell.stderr.rest());
    if (spare && !stopping && shell.pid === undefined) {
      link.spares.giveUp();
      const cause = lost(link.where, "a shell that was waiting ended before its command", false);
      return fail(new NotStarted(false, { cause }));
    }
    if (stopping || exitCode === undefined) {
      return fail(lost(link.where, "the host closed the channel without an exit code", true));
    }
    const result = { exitCode, stdout: stdout.text(), stderr: stderr.text() };
    settle(() => resolve(result));
  };

  const onOpen = (error: Error | undefined, opened: ClientChannel) => {
    if (error) {
      if (!link.alive) return; // the loss of the connection, which follows, says more
      const cause = noExec(link.where, error);
      const refused = typeof (error as { reason?: unknown }).reason === "number";
      return fail(refused ? new NotStarted(true, { cause }) : cause);
    }
    if (settled) return opened.close();
    channel = opened;
    opened.on("exit", (code: number | null, signal?: string) => {
      exitCode = code ?? 128 + signalNumber(signal);
    });
    opened.on("data", (data: Buffer) => take(stdout, shell.stdout.take(data)));
    opened.stderr.on("data", (data: Buffer) => take(stderr, shell.stderr.take(data)));
    opened.on("error", stop);
    // Both have to come: each stream ends by itself. On a lost connection they come too, and mean nothing.
    let parts = 2;
    const onPart = () => {
      parts--;
      if (parts === 0 && link.alive) onEnd();
    };
    opened.on("close", onPart);
    opened.stderr.on("end", onPart);
    if (spare) opened.write(shell.input);
    opened.end(options.stdin);
  };

  // ssh2 answers only when the host has confirmed the request. That the channel is open and the request about to be sent
  // shows in the reading of the options, which comes in between.
  const requestOptions = {
    get env() {
      handedOver = true;
      return undefined;
    },
  };
  if (options.signal?.aborted) {
    stop(options.signal.reason);
    return promise;
  }
  if (spare) onOpen(undefined, spare);
  else {
    try {
      link.client.exec(shell.line, requestOptions, onOpen);
    } catch (cause) {
      fail(new NotStarted(false, { cause: lost(link.where, String(cause), false) }));
    }
  }
  link.spares.prepare();
  return promise;
}

/** Ends a command over a second channel. Never fails: a host that does not let us is left alone after a while. */
function endRemotely(link: Link, pid: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (pid === undefined) return resolve();
    const done = () => {
      clearTimeout(timer);
      offLost();
      resolve();
    };
    const timer = setTimeout(done, ENDING_MS);
    const offLost = link.onLost(done);
    const shell = new RemoteShell(endCommand(pid));
    const run = (channel: ClientChannel, input?: Buffer) => {
      channel.on("close", done).on("error", done).resume();
      channel.stderr.resume();
      channel.end(input);
    };
    const spare = link.spares.take();
    if (spare) return run(spare, shell.input);
    try {
      link.client.exec(shell.line, (error, channel) => (error ? done() : run(channel)));
    } catch {
      done();
    }
  });
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
