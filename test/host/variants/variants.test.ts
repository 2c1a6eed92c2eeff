import { describe } from "vitest";
import { needs } from "../../support/needs.ts";
import { describeKind } from "./contract.ts";
import { describeDockerKind } from "./docker.ts";
import { describeFullDisk } from "./full-disk.ts";
import { describeGpus } from "./gpus.ts";

/** The container's limit, not the memory of the machine beneath it. */
const ramGb = 2;
const unprivileged = "no Docker here (the host is an unprivileged container (no CAP_SYS_ADMIN))";

// One test file, so that the machines run one after another and not side by side.
describe.skipIf(needs("docker"))("the kinds of hosts", () => {
  describeKind({
    variant: "plain",
    facts: { pid1: "bash", supervisord: false, systemd: false, privileged: false, ramGb },
    because: `${unprivileged}; processes under our own supervisor`,
    supervisor: "own",
  });
  describeKind({
    variant: "supervisord",
    facts: { pid1: "supervisord", supervisord: true, systemd: false, privileged: false, ramGb },
    because: `${unprivileged}; processes under supervisord`,
    supervisor: "supervisord",
  });
  describeKind({
    variant: "systemd",
    facts: { pid1: "systemd", supervisord: false, systemd: true, privileged: true },
    because: "no Docker here (it could be installed: ask for mode docker); processes under systemd",
    supervisor: "systemd",
  });
  describeDockerKind();
  describeGpus();
  describeFullDisk();
});
