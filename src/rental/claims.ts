import { type Ledger, mayBill } from "../ledger/ledger.ts";
import type { Proof } from "./proof.ts";
import type { RentalRecord } from "./record.ts";

/**
 * What this process knows of whose an order is, beside the ledger: what the stack's state was seen to name, and what
 * was adopted here. A handler cannot see the state of other resources; the engine shows it call by call.
 */
export class Claims {
  readonly #orders = new Set<number>();
  readonly #rentals = new Map<number, RentalRecord>();
  readonly #intents = new Set<string>();
  /** Order → id of the resource that adopted it. */
  readonly #adopted = new Map<number, string>();
  readonly #handedOver = new Set<string>();
  readonly #proofs = new Map<string, Promise<Proof>>();
  /** Order → USD per day that this process has bid for it: a listing may still show the bid before. */
  readonly bids = new Map<number, number>();

  /** The state names this rental: from now on it is no other resource's, and no longer the ledger's to look after. */
  recorded(record: RentalRecord, ledger: Ledger): void {
    if (record.orderId !== undefined) {
      this.#orders.add(record.orderId);
      this.#rentals.set(record.orderId, record);
    }
    if (this.#intents.has(record.intentId)) return;
    this.#intents.add(record.intentId);
    keep(record.intentId, ledger);
  }

  /** What the state was seen to name. */
  rentals(): RentalRecord[] {
    return [...this.#rentals.values()];
  }

  isRecorded(one: { intentId?: string; orderId: number | undefined }): boolean {
    return (
      (one.orderId !== undefined && this.#orders.has(one.orderId)) ||
      (one.intentId !== undefined && this.#intents.has(one.intentId))
    );
  }

  /** An answer to the engine names this rental; whether it was saved shows only at the end of the run. */
  handOver(record: RentalRecord): void {
    if (record.orderId !== undefined) this.#orders.add(record.orderId);
    this.#handedOver.add(record.intentId);
  }

  /** The run has ended in good order: the engine has saved every answer. */
  runEnded(ledger: Ledger): void {
    for (const intentId of this.#handedOver) keep(intentId, ledger);
    this.#handedOver.clear();
  }

  /** Takes an order for a resource. False when another resource of this process has it. */
  adopt(orderId: number, resourceId: string): boolean {
    const owner = this.#adopted.get(orderId) ?? resourceId;
    if (owner !== resourceId || this.#orders.has(orderId)) return false;
    this.#adopted.set(orderId, resourceId);
    return true;
  }

  /**
   * Whether another resource goes on with the order: a replacement may have adopted what it replaces, and then the
   * delete of the old one must not cancel it.
   */
  hasPassedOn(orderId: number, resourceId: string): boolean {
    const owner = this.#adopted.get(orderId);
    return owner !== undefined && owner !== resourceId;
  }

  /** A key is tried on an order once a process. */
  proof(orderId: number, keyFingerprint: string, prove: () => Promise<Proof>): Promise<Proof> {
    const name = `${orderId} ${keyFingerprint}`;
    const known = this.#proofs.get(name) ?? prove();
    this.#proofs.set(name, known);
    known.catch(() => this.#proofs.delete(name));
    return known;
  }
}

function keep(intentId: string, ledger: Ledger): void {
  try {
    const entry = ledger.entries().find((one) => one.intentId === intentId);
    if (entry && !entry.kept && mayBill(entry)) ledger.conclude(intentId, { outcome: "kept" });
  } catch {
    // A note that saves a look later; what must not be lost is written elsewhere.
  }
}
