import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as it was on the line. */
export interface Recorded {
  url: string;
  headers: string;
  body: string;
}

/** A marketplace's address that writes down what is sent through it: what a service would have received. */
export interface Recorder extends AsyncDisposable {
  /** In place of the address that it was made for. */
  apiUrl: string;
  requests: readonly Recorded[];
}

export async function record(apiUrl: string): Promise<Recorder> {
  const target = new URL(apiUrl);
  const requests: Recorded[] = [];
  const server: Server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      requests.push({
        url: incoming.url ?? "",
        headers: JSON.stringify(incoming.headers),
        body: body.toString(),
      });
      const { hostname: host, port } = target;
      const { method, headers, url: path } = incoming;
      const onward = request({ host, port, method, headers, path }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    apiUrl: `http://127.0.0.1:${port}${target.pathname}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
