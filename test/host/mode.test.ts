import { describe, expect, test } from "vitest";
import { chooseMode, type Mode } from "../../src/host/mode.ts";
import { chooseSupervisor } from "../../src/host/supervisor.ts";
import type { HostFacts } from "../../src/host/types.ts";
import { rental } from "./support.ts";

const works = { cli: true, socket: "/var/run/docker.sock", works: true, version: "27.1.1" };
const machine: HostFacts = { ...rental, privileged: true, systemd: true, pid1: "systemd" };

describe("how a workload runs", () => {
  test.each<{ wanted: Mode | "auto"; facts: HostFacts; mode: Mode; because: string }>([
    {
      wanted: "auto",
      facts: rental,
      mode: "native",
      because:
        "no Docker here (the host is an unprivileged container (no CAP_SYS_ADMIN)); processes under our own supervisor",
    },
    {
      wanted: "auto",
      facts: { ...rental, supervisord: true },
      mode: "native",
      because:
        "no Docker here (the host is an unprivileged container (no CAP_SYS_ADMIN)); processes under supervisord",
    },
    {
      wanted: "auto",
      facts: { ...machine, docker: works },
      mode: "docker",
      because: "Docker 27.1.1 answers at /var/run/docker.sock",
    },
    {
      wanted: "auto",
      facts: machine,
      mode: "native",
      because: "no Docker here (it could be installed: ask for mode docker); processes under systemd",
    },
    {
      wanted: "docker",
      facts: machine,
      mode: "docker",
      because: "asked for; Docker is missing and can be installed",
    },
    {
      wanted: "native",
      facts: { ...machine, docker: works },
      mode: "native",
      because: "asked for; processes under systemd",
    },
    {
      wanted: "image",
      facts: rental,
      mode: "image",
      because: "asked for: the order's image is the workload",
    },
  ])("$wanted gives $mode: $because", ({ wanted, facts, mode, because }) => {
    expect(chooseMode(wanted, facts)).toEqual({ mode, because });
  });

  test("docker that cannot be is refused with every reason", () => {
    const facts = { ...rental, isRoot: false, user: "ann", tools: [], disk: { totalGb: 10, freeGb: 1 } };
    expect(() => chooseMode("docker", facts)).toThrow(
      expect.objectContaining({
        code: "host.mode-impossible",
        seen: "the login user ann is not root; the host is an unprivileged container (no CAP_SYS_ADMIN); no apt-get on Ubuntu 24.04: Debian or Ubuntu is needed; 1 GB free, 2 GB are needed",
      }),
    );
  });
});

test.each([
  { facts: { isRoot: true, supervisord: true, systemd: true }, supervisor: "supervisord" },
  { facts: { isRoot: true, supervisord: false, systemd: true }, supervisor: "systemd" },
  { facts: { isRoot: false, supervisord: true, systemd: true }, supervisor: "own" },
  { facts: { isRoot: true, supervisord: false, systemd: false }, supervisor: "own" },
])("$supervisor for $facts", ({ facts, supervisor }) => {
  expect(chooseSupervisor(facts)).toBe(supervisor);
});
