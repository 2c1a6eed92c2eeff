/** Containers on a host with Docker, driven over our own SSH connection. */
export { type DockerHost, dockerOver } from "./docker/client.ts";
export { type ContainerState, ensureContainer, removeContainer, stopContainer } from "./docker/container.ts";
export { dockerObstacles, ensureDocker } from "./docker/install.ts";
export { type ContainersSeen, containerLogs, observeContainer } from "./docker/observe.ts";
export { type ContainerPlan, planContainer } from "./docker/plan.ts";
export type { ContainerHealth, ContainerSpec, ImageBuild, PortMapping } from "./docker/spec.ts";
