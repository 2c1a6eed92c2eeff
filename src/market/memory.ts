/** What this machine has seen of one host. Weights are events that fade; times are milliseconds since the epoch. */
export interface HostRecord {
  failures: number;
  successes: number;
  /** When the weights were last brought up to date. */
  weighedAt: number;
  /** The last failure that no success has followed. */
  failedAt?: number;
  reason?: string;
  /** Download speed that was really had. */
  downMbps?: number;
  measuredAt?: number;
}

/** By server id. Plain data: it can be kept as JSON. */
export type HostMemory = Readonly<Record<string, HostRecord>>;

/** Something that was seen of a host. */
export type HostEvent = { serverId: number; at: number } & (
  | { kind: "failure"; reason: string }
  | { kind: "success" }
  | { kind: "speed"; downMbps: number }
);

/** What the memory says of a host now. */
export interface HostPenalty {
  /** 0 to 1: none remembered, none expected. */
  failureChance: number;
  /** It failed lately and has not succeeded since: not to be tried again yet. */
  coolingDown: boolean;
  reason: string | undefined;
  /** Measured and still trusted. */
  downMbps: number | undefined;
}

const hour = 3_600_000;
/** After a week an event counts half: hosts are repaired, and lines change. */
const halfLifeMs = 7 * 24 * hour;
/** Long enough for a host to be rebooted or looked at by its owner. */
const coolDownMs = 12 * hour;
const forgottenBelow = 0.05;

/**
 * The memory with one event more; the given one is unchanged.
 * @example remember(memory, { serverId: 88411, at: Date.now(), kind: "failure", reason: "ssh.reset" })
 */
export function remember(memory: HostMemory, event: HostEvent): HostMemory {
  const old = memory[event.serverId];
  const record = old ? weighedAt(old, event.at) : { failures: 0, successes: 0, weighedAt: event.at };
  return { ...memory, [event.serverId]: withEvent(record, event) };
}

/** The memory as it weighs at `now`, without what has faded away. */
export function decay(memory: HostMemory, now: number): HostMemory {
  const kept = Object.entries(memory).flatMap(([id, record]): [string, HostRecord][] => {
    const faded = weighedAt(record, now);
    const forgotten =
      faded.failures + faded.successes < forgottenBelow && trustedSpeed(faded, now) === undefined;
    return forgotten ? [] : [[id, faded]];
  });
  return Object.fromEntries(kept);
}

/** What to expect of a host. Unknown hosts are not punished: the marketplace's own reliability speaks for them. */
export function penalty(memory: HostMemory, serverId: number, now: number): HostPenalty {
  const old = memory[serverId];
  if (!old) return { failureChance: 0, coolingDown: false, reason: undefined, downMbps: undefined };
  const record = weighedAt(old, now);
  return {
    // The 1 is doubt: a single failure makes the next one as likely as not, five make it nearly sure.
    failureChance: record.failures / (record.failures + record.successes + 1),
    coolingDown: record.failedAt !== undefined && now - record.failedAt < coolDownMs,
    reason: record.reason,
    downMbps: trustedSpeed(record, now),
  };
}

function withEvent(record: HostRecord, event: HostEvent): HostRecord {
  switch (event.kind) {
    case "failure":
      return { ...record, failures: record.failures + 1, failedAt: event.at, reason: event.reason };
    case "success": {
      const { failedAt: _, reason: __, ...rest } = record;
      return { ...rest, successes: record.successes + 1 };
    }
    case "speed":
      return { ...record, downMbps: event.downMbps, measuredAt: event.at };
  }
}

function weighedAt(record: HostRecord, now: number): HostRecord {
  // A clock that went back does not make old events heavier.
  const share = 0.5 ** (Math.max(0, now - record.weighedAt) / halfLifeMs);
  return {
    ...record,
    failures: record.failures * share,
    successes: record.successes * share,
    weighedAt: Math.max(now, record.weighedAt),
  };
}

function trustedSpeed(record: HostRecord, now: number): number | undefined {
  const fresh = record.measuredAt !== undefined && now - record.measuredAt < 2 * halfLifeMs;
  return fresh ? record.downMbps : undefined;
}
