import { VLLM_VERSION } from "../../../src/host/vllm/serve.ts";
import { makeWheel } from "./wheel.ts";

/** Takes the options of the real one and no others; answers the parts of its API that are asked for. */
const program = `
import argparse, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser("vllm")
parser.add_argument("serve", choices=["serve"])
parser.add_argument("model")
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--max-model-len", type=int)
parser.add_argument("--gpu-memory-utilization", type=float)
args = parser.parse_args()

class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            self.answer(200 if time.monotonic() - started > 1 else 503, None)
        elif self.path == "/v1/models":
            model = {"id": args.model, "object": "model", "owned_by": "vllm", "max_model_len": args.max_model_len}
            self.answer(200, {"object": "list", "data": [model]})
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path != "/v1/completions" or asked["model"] != args.model:
            return self.answer(404, {"error": {"message": "The model does not exist.", "code": 404}})
        time.sleep(0.002 * asked["max_tokens"])
        text = "word " * asked["max_tokens"]
        usage = {"completion_tokens": asked["max_tokens"]}
        self.answer(200, {"object": "text_completion", "model": args.model, "choices": [{"index": 0, "text": text, "finish_reason": "length"}], "usage": usage})

    def log_message(self, *_):
        pass

def main():
    global started
    print("token", len(os.environ.get("HF_TOKEN", "")), "home", os.environ["HOME"], flush=True)
    started = time.monotonic()
    ThreadingHTTPServer((args.host, args.port), Handler).serve_forever()
`;

/** A package of vLLM's name and pinned version, as its index would have it. */
export const standIn = makeWheel({
  name: "vllm",
  version: VLLM_VERSION,
  requiresPython: ">=3.10,<3.14",
  files: { "vllm/__init__.py": `__version__ = "${VLLM_VERSION}"\n`, "vllm/cli.py": program },
  script: "vllm.cli:main",
});
