import type { FaultOptions, HostFault } from "../faults.ts";
import type { LineFaults } from "../machines/line.ts";

/** A line that is bad from the first connection on, for good. */
const badLine = (seen: string, faults: (options: FaultOptions) => LineFaults): HostFault => ({
  at: "host",
  strike: (order, options) => order.front.ssh?.set(faults(options)),
  seen,
});

/** Faults of a rented machine and of the line to its SSH port. */
export const hostFaults: Readonly<Record<string, HostFault>> = {
  "ssh-refused": badLine("connection refused", () => ({ refused: true })),
  "ssh-reset": badLine("accepted, then reset", () => ({ reset: true })),
  "ssh-no-banner": badLine("accepted, then silence", () => ({ noBanner: true })),
  "ssh-slow-banner": badLine("the banner comes after `ms` (10 s)", ({ ms }) => ({
    slowBannerMs: ms ?? 10_000,
  })),
  "ssh-slow": badLine("every piece takes `ms` (40 ms) longer, each way", ({ ms }) => ({ delayMs: ms ?? 40 })),
  "ssh-slow-line": badLine("`bytes` (64 kB) a second", ({ bytes }) => ({ bytesPerSecond: bytes ?? 65_536 })),
  "ssh-cut": badLine("each connection is reset after `bytes` (8 kB) from the host", ({ bytes }) => ({
    cutAfterBytes: bytes ?? 8192,
  })),
  "ssh-half-open": badLine("each connection goes silent after `bytes` (8 kB) from the host", ({ bytes }) => ({
    stallAfterBytes: bytes ?? 8192,
  })),
  "ssh-well": badLine("the line is well again", () => ({})),
  "ssh-no-auth": {
    at: "host",
    strike: async (order) => (await order.starting)?.lockOut(),
    seen: "no key is accepted",
  },
  "clock-skew": {
    at: "host",
    strike: (order, { ms }) => {
      order.createdOutside += Math.round((ms ?? -600_000) / 1000);
    },
    seen: "`ct` is `ms` (-600,000) off from the renter's clock",
  },
  "host-key-changed": {
    at: "host",
    strike: (order) => {
      const line = order.front.ssh;
      if (!line) return;
      let changed = false;
      line.onConnection = async (count) => {
        if (count < 2 || changed) return;
        changed = true;
        await order.front.machine?.changeHostKey();
      };
    },
    seen: "another host key from the second connection on",
  },
  "order-vanishes": {
    at: "host",
    running: true,
    strike: (order, _options, stage) => stage.book.end(order, "vanished"),
    seen: "the order is gone from my_orders, its machine too",
  },
  outbid: {
    at: "host",
    running: true,
    strike: (order) => {
      if (order.kind !== "spot") return;
      order.outbid = true; // how this looks is not known: here the order stays and its container is gone
      order.front.ssh?.cut();
      return order.front.machine?.killProcesses();
    },
    seen: "a spot order stays listed, mon_container is 0, SSH does not answer, spot_marketplace shows active: false",
  },
  reboot: {
    at: "host",
    running: true,
    strike: async (order) => {
      order.front.ssh?.cut();
      await order.front.machine?.reboot();
    },
    seen: "connections and processes end, the machine comes back by itself, its files are still there",
  },
  "killed-processes": {
    at: "host",
    running: true,
    strike: (order) => order.front.machine?.killProcesses(),
    seen: "every process of the renter is gone",
  },
  "ssh-drop": {
    at: "host",
    running: true,
    strike: (order) => order.front.ssh?.cut(),
    seen: "running connections are reset, new ones work",
  },
};
