import type { Front } from "../machines/front.ts";
import type { Machine } from "../machines/types.ts";
import type { Coin, Row } from "../market/rows.ts";

/** One order, in the emulator's own terms. Times are emulated milliseconds since the epoch. */
export interface Placed {
  id: number;
  row: Row;
  image: string;
  kind: "on-demand" | "spot";
  coin: Coin;
  /** In `coin`. */
  pricePerDay: number;
  createdAt: number;
  /** Real epoch seconds, what `ct` says. */
  createdOutside: number;
  /** Shown in my_orders from then on. */
  visibleAt: number;
  /** `mon_container` is 1 from then on, if the machine has come up. */
  bootedAt: number;
  endedAt?: number;
  endedOutside?: number;
  endedWhy?: "cancelled" | "expired" | "no money" | "vanished" | "outbid";
  /** When the bid was lowered last. */
  loweredAt?: number;
  outbid: boolean;
  /** The container never comes up by the API's word. */
  stuck: boolean;
  minutesPaid: number;
  creationFeePaid: boolean;
  /** Rent so far in `coin`: what `spend` shows. */
  rent: number;
  /** Rent and fees so far in `coin`: what left the wallet. */
  paid: number;
  front: Front;
  httpPort: number | undefined;
  /** Resolves when the machine is up; never rejects. */
  starting: Promise<Machine | undefined>;
  /** Why the machine did not start. */
  failure?: string;
}
