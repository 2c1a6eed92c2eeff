/** A long-running, supervised process on a host: observe, plan, apply, and take away again. */
export { applyService } from "./service/apply.ts";
export { removeService, serviceLogs, stopService } from "./service/lifecycle.ts";
export { observeService, observeServices, type ServiceSeen } from "./service/observe.ts";
export { planService, type ServicePlan } from "./service/plan.ts";
export type { ServiceHealth, ServiceSpec } from "./service/spec.ts";
