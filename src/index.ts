import "./resources/quiet-debug.ts";

export { GeminiProxy, type GeminiProxyArgs } from "./components/gemini-proxy.ts";
export { OllamaServer, type OllamaServerArgs } from "./components/ollama-server.ts";
export { VllmServer, type VllmServerArgs } from "./components/vllm-server.ts";
export { ApiKey, type ApiKeyArgs } from "./resources/api-key.ts";
export { HealthCheck, type HealthCheckArgs } from "./resources/health-check.ts";
export { Model, type ModelArgs } from "./resources/model.ts";
export {
  type Connection,
  type ExistingServerArgs,
  type RentedServerArgs,
  Server,
  type ServerArgs,
} from "./resources/server.ts";
export {
  Service,
  type ServiceArgs,
  type ServiceContainer,
  type ServiceFile,
  type ServiceHealth,
  type ServiceProcess,
} from "./resources/service.ts";
export { SshKey, type SshKeyArgs } from "./resources/ssh-key.ts";
