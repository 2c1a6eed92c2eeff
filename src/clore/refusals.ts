import { type ApiErrorClass, CloreApiError, errorOf, type Failure } from "./errors.ts";

/** The named errors of code 6, whatever the HTTP status: definite refusals, nothing was done. */

// --- create_order ------------------------------------------------------------------------------------------------

export class ServerDontExistError extends errorOf(
  "clore.server-dont-exist",
  "there is no such server",
  "it has left the marketplace: take another offer",
  "no",
) {}

export class ServerOfflineError extends errorOf(
  "clore.server-offline",
  "the server is offline",
  "take another offer",
  "no",
) {}

/** Also the answer when *we* rent it already. */
export class ServerAlreadyRentedError extends errorOf(
  "clore.server-already-rented",
  "the server is already rented",
  "take another offer; after a create of unknown outcome it may be rented by this very account: look at my_orders",
  "no",
) {}

export class NotEnoughBalanceError extends errorOf(
  "clore.not-enough-balance",
  "the wallet does not hold enough",
  "top up the wallet of this currency, or pay in another",
  "no",
) {}

export class CantRentFromYourselfError extends errorOf(
  "clore.cant-rent-from-yourself",
  "the server is hosted by the same account",
  "take another offer",
  "no",
) {}

export class TooLowPriceError extends errorOf(
  "clore.too-low-price",
  "the price is below what the host asks",
  "raise the bid or the cap, or take another offer",
  "no",
) {}

export class YouAlreadyHaveSpotOrderError extends errorOf(
  "clore.you-already-have-spot-order",
  "this account already has a spot order on the server",
  "look at my_orders; take another offer, or change the bid of that order",
  "no",
) {}

/** Observed even where the listing names the currency as allowed. */
export class CurrencyNotAllowedError extends errorOf(
  "clore.currency-not-allowed",
  "the host does not take this currency",
  "pay in another currency, or take another offer",
  "no",
) {}

export class MachineIsOnGigaspotError extends errorOf(
  "clore.machine-is-on-gigaspot",
  "the server is reserved for Gigaspot",
  "take another offer",
  "no",
) {}

// --- orders ------------------------------------------------------------------------------------------------------

export class YouDontOwnThisOrderError extends errorOf(
  "clore.you-dont-own-this-order",
  "the order belongs to another account, or to none",
  "check that this is the key that rented it",
  "no",
) {}

/** For a cancel this means: it is over already. */
export class OrderNotActiveError extends errorOf(
  "clore.order-not-active",
  "the order is not active any more",
  "it is over already; read my_orders to be sure",
  "no",
) {}

export class IssueDescriptionTooLongError extends errorOf(
  "clore.issue-description-too-long",
  "the text of the complaint is too long",
  "at most 2048 characters",
  "no",
) {}

// --- spot price --------------------------------------------------------------------------------------------------

export class OrderDontExistError extends errorOf(
  "clore.order-dont-exist",
  "there is no such order",
  "read my_orders: it may be over",
  "no",
) {}

export class AmountTooLowError extends errorOf(
  "clore.amount-too-low",
  "the bid is too low",
  "raise it to the server's minimum on the spot market",
  "no",
) {}

/** A bid can be lowered once in 600 s. */
export class CanLowerEvery600SecondsError extends CloreApiError {
  /** How long until it can be lowered, in seconds, where the service said so. */
  readonly secondsToLowering: number | undefined;

  constructor(failure: Failure) {
    super(
      {
        code: "clore.can-lower-every-600-seconds",
        message: "the bid was lowered less than 600 s ago",
        hint: "wait until it can be lowered again; it can be raised at any time",
        retry: "later",
      },
      failure,
    );
    this.secondsToLowering = finite(failure.details?.time_to_lowering);
  }
}

export class ExceededMaxStepError extends CloreApiError {
  /** The largest step allowed, in the order's currency per day, where the service said so. */
  readonly maxStepPerDay: number | undefined;

  constructor(failure: Failure) {
    super(
      {
        code: "clore.exceeded-max-step",
        message: "the bid was changed by more than is allowed at once",
        hint: "change it in smaller steps",
        retry: "no",
      },
      failure,
    );
    this.maxStepPerDay = finite(failure.details?.max_step);
  }
}

/** A named error that is not in the table. For a write it is not taken for a proof that nothing happened. */
export class RefusedError extends errorOf(
  "clore.refused",
  "the service refused with an error that is not known",
  "look at my_orders; the API may have changed: look for a newer pulumi-clore",
  "unclear",
) {}

/** `error` string → class. */
export const refusals: Readonly<Record<string, ApiErrorClass>> = {
  "server-dont-exist": ServerDontExistError,
  "server-offline": ServerOfflineError,
  "server-already-rented": ServerAlreadyRentedError,
  not_enough_balance: NotEnoughBalanceError,
  cant_rent_from_yourself: CantRentFromYourselfError,
  too_low_price: TooLowPriceError,
  you_already_have_spot_order: YouAlreadyHaveSpotOrderError,
  "currency-not-allowed": CurrencyNotAllowedError,
  "machine-is-on-gigaspot": MachineIsOnGigaspotError,
  you_dont_own_this_order: YouDontOwnThisOrderError,
  order_not_active: OrderNotActiveError,
  issue_description_too_long: IssueDescriptionTooLongError,
  order_dont_exist: OrderDontExistError,
  amount_too_low: AmountTooLowError,
  can_lower_every_600_seconds: CanLowerEvery600SecondsError,
  exceeded_max_step: ExceededMaxStepError,
};

/** The class for a named error; `_` and `-` are used side by side by the service, so either spelling is found. */
export function refusalFor(error: string): ApiErrorClass {
  const wanted = error.trim().toLowerCase().replaceAll("_", "-");
  const name = Object.keys(refusals).find((known) => known.replaceAll("_", "-") === wanted);
  return name === undefined ? RefusedError : refusals[name]!;
}

function finite(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}
