import * as pulumi from "@pulumi/pulumi";
import { CloreError, describeError } from "../core/errors.ts";

/** What cannot work ends the program with code, what and hint, and no stack: nothing was rented. */
export function checked<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof CloreError)
      throw new pulumi.RunError(`${describeError(error)}\n(nothing was rented)`);
    throw error;
  }
}
