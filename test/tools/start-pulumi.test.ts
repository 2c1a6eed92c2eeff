import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pulumi } from "../../tools/start/pulumi.ts";
import type { Session } from "../../tools/start/session.ts";
import { existsStack } from "../../tools/start/stack.ts";

let session: Session;
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), "clore-start-"));
  const bin = join(directory, "bin");
  mkdirSync(bin);
  const env = { PATH: `${bin}${delimiter}${process.env.PATH}` };
  session = { stack: "gemini-proxy", live: true, directory, emulatorPid: undefined, env };
});
afterEach(() => rmSync(session.directory, { recursive: true, force: true }));

/** Puts a shell script in the CLI's place; `$events` is the file that its events go to. */
function cli(script: string): void {
  const path = join(session.directory, "bin", "pulumi");
  writeFileSync(path, `#!/bin/sh\nfor events; do :; done\n${script}\n`);
  chmodSync(path, 0o755);
}

// As Pulumi 3.259 wrote them.
const interrupted = String.raw`{"sequence":33,"timestamp":1795233404,"stdoutEvent":{"message":"^C received; cancelling. If you would like to terminate immediately, press ^C again.\nNote that terminating immediately may lead to orphaned resources and other inconsistencies.\n","color":"never"}}`;
const failed = String.raw`{"sequence":37,"timestamp":1795233404,"diagnosticEvent":{"prefix":"error: ","message":"update failed\n","color":"never","severity":"error"}}`;

test("a Ctrl-C that only the engine had, its terminal being raw, is no failure of the stack", async () => {
  cli(`echo '${interrupted}' > $events; echo '${failed}' >> $events; exit 1`);
  await expect(pulumi(session, ["up"])).rejects.toMatchObject({ code: "interrupted" });
  // The next run's events are its own.
  cli("exit 1");
  await expect(pulumi(session, ["destroy"])).rejects.toMatchObject({ code: "start.pulumi-failed" });
});

test("a failure is one, and a Ctrl-C before the engine listens is none", async () => {
  cli(`echo '${failed}' > $events; exit 1`);
  await expect(pulumi(session, ["up"])).rejects.toMatchObject({ code: "start.pulumi-failed" });
  cli("kill -INT $$; sleep 5");
  await expect(pulumi(session, ["up"])).rejects.toMatchObject({ code: "interrupted" });
});

test("what is shielded is in a process group of its own, where no terminal's Ctrl-C comes", async () => {
  const own = join(session.directory, "own");
  cli(`test "$(ps -o pgid= -p $$ | tr -d ' ')" = "$$" && touch ${own}; test -e ${own}`);
  await pulumi(session, ["destroy"], { shielded: true });
  rmSync(own);
  await expect(pulumi(session, ["destroy"])).rejects.toMatchObject({ code: "start.pulumi-failed" });
});

test("what the CLI leaves in its temporary folder goes with the run", async () => {
  cli(`mktemp -d > ${session.directory}/left; test -d "$(cat ${session.directory}/left)"`);
  await pulumi(session, ["up"]);
  expect(existsSync(readFileSync(join(session.directory, "left"), "utf8").trim())).toBe(false);
});

test("a listing of stacks that did not come to its end is no proof that there is none", async () => {
  cli("kill -INT $$; sleep 5");
  await expect(existsStack(session)).rejects.toMatchObject({ code: "start.pulumi-failed" });
  cli('echo \'[{"name":"gemma-4b"}]\'');
  expect(await existsStack(session)).toBe(false);
  cli('echo \'[{"name":"gemini-proxy"}]\'');
  expect(await existsStack(session)).toBe(true);
});
