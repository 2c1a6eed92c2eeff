/** What a call is answered with. `headers` and raw bodies only for what stands in front of the API (Cloudflare). */
export interface Reply {
  status: number;
  body: Record<string, unknown> | string;
}

/** No answer: the connection is cut. */
export const cut: Reply = { status: 0, body: "" };
export const ok = (fields: Record<string, unknown> = {}): Reply => ({
  status: 200,
  body: { code: 0, ...fields },
});
export const databaseError: Reply = { status: 500, body: { code: 1 } };
export const wrongToken: Reply = { status: 401, body: { code: 3 } };
export const wrongEndpoint: Reply = { status: 404, body: { code: 4 } };
export const tooFast: Reply = { status: 429, body: { code: 5 } };

export function invalid(why: string): Reply {
  return { status: 400, body: { code: 2, error: why } };
}

let named = 0;

/** A named error of code 6. It comes under HTTP 200 and under 500 (both were observed): by turns, unless told. */
export function refused(error: string, fields: Record<string, unknown> = {}, status?: 200 | 500): Reply {
  return { status: status ?? (named++ % 2 === 0 ? 200 : 500), body: { code: 6, error, ...fields } };
}
