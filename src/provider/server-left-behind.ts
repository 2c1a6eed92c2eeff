import type { MarketKind, Order } from "../clore/types.ts";
import type { AcquireIo, AcquireRequest } from "../rental/acquire.ts";
import { leftBehind } from "../rental/adopt.ts";
import type { LiveServer } from "../rental/bring-up.ts";
import { release } from "../rental/release.ts";
import { orderSettings } from "../rental/settings.ts";
import { tryHost } from "../rental/try-host.ts";
import { whose } from "../rental/whose.ts";
import type { Call } from "./handler.ts";

/**
 * Goes on with what an interrupted run has left for this resource, instead of renting anew. Only one is needed: what
 * is left beside it is given back, and so is what the program has meanwhile stopped asking for.
 */
export async function adoptLeftBehind(
  id: string,
  market: MarketKind,
  request: AcquireRequest,
  io: AcquireIo,
  call: Call,
): Promise<LiveServer | undefined> {
  let live: LiveServer | undefined;
  const { claims } = call.plugin;
  const settings = orderSettings(request);
  const isOwn = (owner: string) => owner === request.urn;
  const asking = { ...io, whose: (order: Order) => whose(order, request.privateKey, isOwn, io) };
  for (const record of await leftBehind({ ...request, resourceId: id }, { ...io, claims })) {
    if (live) {
      await release(record, "a second order for the same server", asking);
      continue;
    }
    const isAsked =
      record.image === request.image &&
      record.market === market &&
      (record.settings === undefined || record.settings === settings);
    if (!isAsked && record.certain) {
      await release(record, "the program asks for something else now", io);
      continue;
    }
    const outcome = await tryHost(record, request, io);
    if ("live" in outcome && isAsked) live = outcome.live;
    else if ("live" in outcome)
      await release(outcome.live.record, "the program asks for something else now", io);
    else
      call.log.warn(
        `order ${record.orderId} on server ${record.serverId}: ${outcome.failed}; going on without it`,
      );
  }
  return live;
}
