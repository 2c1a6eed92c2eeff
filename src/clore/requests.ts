import { InputError, type InputProblem } from "../core/errors.ts";
import { type CreateOrderRequest, currencies } from "./types.ts";

/** Bodies of the writes. What the service would answer with an opaque error is refused here, before it is sent. */

/**
 * The body of `create_order`.
 * @throws InputError with every mistake at once; nothing was sent
 */
export function createOrderBody(request: CreateOrderRequest): Record<string, unknown> {
  const problems = createProblems(request);
  if (problems.length > 0) throw new InputError("create_order", problems);
  const ports = request.ports && Object.keys(request.ports).length > 0 ? { ports: request.ports } : {};
  return {
    currency: request.currency,
    image: request.image,
    renting_server: request.serverId,
    type: request.market,
    ...(request.market === "spot" ? { spotprice: request.bidPerDay } : {}),
    ...ports,
    ...optional("env", request.env),
    ...optional("ssh_key", request.sshPublicKey),
    ...optional("command", request.command),
    ...optional("required_price", request.requiredPricePerDay),
    ...optional("autossh_entrypoint", request.autosshEntrypoint),
  };
}

/** @throws InputError when the id is none or the text is longer than 2048 characters */
export function cancelBody(orderId: number, issue: string | undefined): Record<string, unknown> {
  const problems = idProblems("orderId", orderId);
  if (issue !== undefined && issue.length > 2048) {
    problems.push({ path: "issue", problem: `has ${issue.length} characters, at most 2048` });
  }
  if (problems.length > 0) throw new InputError("cancel_order", problems);
  return { id: orderId, ...optional("issue", issue) };
}

/** @throws InputError when id or price is none */
export function spotPriceBody(orderId: number, pricePerDay: number): Record<string, unknown> {
  const problems = [...idProblems("orderId", orderId), ...priceProblems("pricePerDay", pricePerDay)];
  if (problems.length > 0) throw new InputError("set_spot_price", problems);
  return { order_id: orderId, desired_price: pricePerDay };
}

function createProblems(request: CreateOrderRequest): InputProblem[] {
  const problems = idProblems("serverId", request.serverId);
  if (request.image.trim() === "") problems.push({ path: "image", problem: "is empty" });
  if (!currencies.includes(request.currency)) {
    problems.push({ path: "currency", problem: `should be one of ${currencies.join(", ")}` });
  }
  if (request.market === "spot") problems.push(...priceProblems("bidPerDay", request.bidPerDay));
  if (request.requiredPricePerDay !== undefined) {
    problems.push(...priceProblems("requiredPricePerDay", request.requiredPricePerDay));
  }
  if ((request.sshPublicKey?.length ?? 0) > 3072) {
    problems.push({ path: "sshPublicKey", problem: "is longer than 3072 characters" });
  }
  return [...problems, ...portProblems(request.ports), ...envProblems(request.env)];
}

function portProblems(ports: CreateOrderRequest["ports"] = {}): InputProblem[] {
  const problems: InputProblem[] = [];
  for (const port of Object.keys(ports).map(Number)) {
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      problems.push({ path: `ports["${port}"]`, problem: "should be 1 to 65535" });
    }
  }
  if (Object.values(ports).filter((protocol) => protocol === "http").length > 1) {
    problems.push({ path: "ports", problem: "an order has one http port at most; make the others tcp" });
  }
  return problems;
}

/** Observed: a value with `&` got HTTP 500 code 1 (which leaves the outcome unknown); non-ASCII is suspected too. */
function envProblems(env: CreateOrderRequest["env"] = {}): InputProblem[] {
  return Object.entries(env).flatMap(([name, value]) =>
    /^[\x20-\x25\x27-\x7e\n\t]*$/.test(value)
      ? []
      : [
          {
            path: `env.${name}`,
            problem: "holds `&` or non-ASCII, which the service fails on; write a file over SSH",
          },
        ],
  );
}

function idProblems(path: string, value: number): InputProblem[] {
  return Number.isSafeInteger(value) && value > 0
    ? []
    : [{ path, problem: "should be a positive whole number" }];
}

function priceProblems(path: string, value: number | undefined): InputProblem[] {
  return value !== undefined && Number.isFinite(value) && value > 0
    ? []
    : [{ path, problem: "should be a price per day above 0" }];
}

function optional(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value };
}
