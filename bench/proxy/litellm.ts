import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { callerKey, model, openAiQuestion, openAiText, type Tool, upstreamKey } from "./tool.ts";

export const litellmVersion = "litellm[proxy]==1.106.2";

/**
 * LiteLLM's proxy without a database, one worker. As its makers advise for production: errors only in the log, so unlike
 * ours it writes no line a request. Its price list is the one it brings along, so a start needs no internet.
 */
export function litellm(cache: string): Tool {
  const venv = install(cache);
  return {
    title: "LiteLLM",
    start: ({ upstream, port, work }) => {
      const config = join(work, "config.yaml");
      const params = { model: `gemini/${model}`, api_base: `${upstream}/v1beta`, api_key: upstreamKey };
      // JSON is YAML.
      writeFileSync(config, JSON.stringify({ model_list: [{ model_name: model, litellm_params: params }] }));
      const flags = ["--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"];
      return {
        command: [join(venv, "bin/litellm"), "--config", config, ...flags, "--telemetry", "False"],
        env: {
          HOME: work,
          LITELLM_MASTER_KEY: callerKey,
          LITELLM_MODE: "PRODUCTION",
          LITELLM_LOG: "ERROR",
          LITELLM_LOCAL_MODEL_COST_MAP: "True",
          LC_ALL: "C.UTF-8",
        },
      };
    },
    healthPath: "/health/liveliness",
    question: () => openAiQuestion(callerKey),
    answerText: openAiText,
    checksKeys: true,
  };
}

/** Into a virtual environment in the cache, once a version. */
function install(cache: string): string {
  const venv = join(cache, "litellm");
  const stamp = join(venv, "version.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === litellmVersion) return venv;
  rmSync(venv, { recursive: true, force: true });
  mkdirSync(venv, { recursive: true });
  execFileSync("python3", ["-m", "venv", venv]);
  execFileSync(join(venv, "bin/pip"), ["install", "--quiet", litellmVersion], { stdio: "inherit" });
  writeFileSync(stamp, litellmVersion);
  return venv;
}
