import { describe, expect, test } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import { PullProgress } from "../../../src/host/docker/image.ts";
import { type ContainerSeen, demultiplex } from "../../../src/host/docker/observe.ts";
import { planContainer } from "../../../src/host/docker/plan.ts";
import {
  type ContainerSpec,
  containerDigest,
  createOptions,
  imageReference,
} from "../../../src/host/docker/spec.ts";

const spec: ContainerSpec = { name: "web", image: "web:1", secretEnv: { KEY: new Secret("abc") } };
const right: ContainerSeen = {
  id: "1",
  digest: containerDigest(spec),
  running: true,
  restarting: false,
  exited: false,
  exitCode: 0,
  restarts: 0,
  restartPolicy: "unless-stopped",
  imageId: "sha256:1",
  sinceMs: 1,
  address: "172.17.0.2",
};
const before = { ...right, digest: "other" };
const ended = { ...right, running: false, exited: true, sinceMs: undefined };

test("one that never came up is no version to go back to", () => {
  const current = { ...ended, digest: "other", exitCode: 5, restartPolicy: "no" };
  expect(planContainer(spec, { current, previous: undefined })).toMatchObject({
    steps: ["image", "clear", "create", "check"],
    because: "the one that is there never was healthy",
  });
});

describe("a container wanted and seen", () => {
  test.each<{
    name: string;
    want?: Partial<ContainerSpec>;
    current?: ContainerSeen;
    previous?: ContainerSeen;
    steps: string[];
  }>([
    { name: "not there", steps: ["image", "create", "check"] },
    { name: "right", current: right, steps: [] },
    { name: "another spec", current: before, steps: ["image", "swap", "check", "prune"] },
    {
      name: "another secret",
      want: { secretEnv: { KEY: new Secret("abd") } },
      current: right,
      steps: ["image", "swap", "check", "prune"],
    },
    { name: "ended", current: { ...ended, exitCode: 1 }, steps: ["start", "check"] },
    {
      name: "created, never started",
      current: { ...ended, exited: false, restartPolicy: "no" },
      steps: ["start", "check"],
    },
    { name: "cut short after the rename", previous: before, steps: ["image", "create", "check", "prune"] },
    {
      name: "cut short before its check",
      current: { ...right, restartPolicy: "no" },
      previous: before,
      steps: ["check", "prune"],
    },
    {
      name: "the first one, cut short before its check",
      current: { ...right, restartPolicy: "no" },
      steps: ["check"],
    },
    {
      name: "cut short, then changed again",
      current: { ...right, digest: "third" },
      previous: before,
      steps: ["image", "clear", "create", "check", "prune"],
    },
  ])("$name", ({ want, current, previous, steps }) => {
    expect(planContainer({ ...spec, ...want }, { current, previous }).steps).toEqual(steps);
  });

  test("a job that has ended well is finished", () => {
    const job: ContainerSpec = { ...spec, restart: "no" };
    const current = { ...ended, digest: containerDigest(job), restartPolicy: "no" };
    expect(planContainer(job, { current, previous: undefined })).toMatchObject({
      steps: [],
      because: "it has finished",
    });
  });

  test("a container of somebody else's is refused", () => {
    expect(() =>
      planContainer(spec, { current: { ...right, digest: undefined }, previous: undefined }),
    ).toThrow(expect.objectContaining({ code: "host.name-taken" }));
  });
});

test("what Docker is told: loopback ports, GPUs, limits, no secret outside the environment", () => {
  const full: ContainerSpec = {
    ...spec,
    gpus: "all",
    ports: [
      { container: 80, host: 8080 },
      { container: 80, host: 8081, address: "0.0.0.0" },
    ],
    volumes: [{ source: "models", target: "/models", readOnly: true }],
    health: { command: ["ollama", "ls"], timeoutSeconds: 5 },
  };
  const { Env, ...options } = createOptions(full);
  expect(Env).toEqual(["KEY=abc"]);
  expect(JSON.stringify(options)).not.toContain("abc");
  expect(options).toMatchObject({
    Image: "web:1",
    Healthcheck: { Test: ["CMD", "ollama", "ls"] },
    HostConfig: {
      PortBindings: {
        "80/tcp": [
          { HostIp: "127.0.0.1", HostPort: "8080" },
          { HostIp: "0.0.0.0", HostPort: "8081" },
        ],
      },
      Binds: ["models:/models:ro"],
      DeviceRequests: [{ Count: -1, Capabilities: [["gpu"]] }],
    },
  });
});

test("all mistakes of a spec come at once", () => {
  const wrong: ContainerSpec = {
    name: "a/b",
    image: "web:1 --privileged",
    ports: [{ container: 0, host: 80 }],
    volumes: [{ source: "../up", target: "models" }],
  };
  expect(() => createOptions(wrong)).toThrow(
    expect.objectContaining({
      problems: ["name", "image", "ports.container", "volumes.target", "volumes.source"].map((path) =>
        expect.objectContaining({ path }),
      ),
    }),
  );
});

test("a build's tag follows its content", () => {
  const build = (content: string, args = {}) =>
    imageReference({ name: "Web", image: { files: [{ path: "Dockerfile", content }], args } });
  expect(build("FROM a")).toMatch(/^pulumi-clore\/web:[0-9a-f]{16}$/);
  expect(build("FROM a")).toBe(build("FROM a"));
  expect(new Set([build("FROM a"), build("FROM b"), build("FROM a", { A: "1" })]).size).toBe(3);
});

test("Docker's frames are taken apart, rubbish is kept as text", () => {
  const frame = (stream: number, text: string) => {
    const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  expect(demultiplex(Buffer.concat([frame(1, "out\n"), frame(2, "err\n")]))).toBe("out\nerr\n");
  expect(demultiplex(Buffer.from("plain text of a terminal"))).toBe("plain text of a terminal");
  expect(demultiplex(frame(1, "cut off").subarray(0, 11))).toBe("cut");
});

test("a pull's progress sums up its layers", () => {
  const progress = new PullProgress();
  expect(progress.add({ id: "a", status: "Pulling fs layer" })).toBe("");
  expect(progress.add({ id: "a", status: "Downloading", progressDetail: { current: 5e8, total: 1e9 } })).toBe(
    " 50 % of 1.00 GB",
  );
  expect(progress.add({ id: "b", status: "Downloading", progressDetail: { current: 0, total: 1e9 } })).toBe(
    " 25 % of 2.00 GB",
  );
  expect(progress.add({ id: "a", status: "Download complete" })).toBe(" 50 % of 2.00 GB");
});
