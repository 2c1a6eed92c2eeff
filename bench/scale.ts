import { loadavg } from "node:os";
import { SmallEngineDriver } from "../test/support/faults/driver.ts";
import { sharedMachines } from "../test/support/faults/machines.ts";
import { PluginProcess } from "../test/support/faults/plugin-process.ts";
import { World } from "../test/support/faults/world.ts";

/**
 * 20 and 100 Servers in one program: `node bench/scale.ts [speed]`, on a local Clore.ai that lives `speed` (10) times as
 * fast. Aims: at most 1.15 times what the API's own limits allow (a create per 5 s, then the last host's boot), one poll
 * for all servers, the plugin under 200 MB. Exits 1 when one is missed.
 * The laptop and all hosts share this machine: on a busy one a lower speed is fairer.
 */
const speed = Number(process.argv[2] ?? 10);
const aims = { share: 1.15, megabytes: 200 };

let missed = false;
await using machines = await sharedMachines();
for (const count of [20, 100]) {
  const { seconds, least, requestsPerSecond, megabytes } = await measure(count);
  const share = seconds / least;
  missed ||= share > aims.share || megabytes > aims.megabytes || requestsPerSecond > 1.05;
  console.log(
    `${count} servers: ${seconds.toFixed(0)} s of emulated time, the limits alone take ${least.toFixed(0)} s: ` +
      `${share.toFixed(2)} (aim: ${aims.share}); ${requestsPerSecond.toFixed(2)} requests a second (limit: 1); ` +
      `plugin ${megabytes.toFixed(0)} MB at its largest (aim: under ${aims.megabytes})`,
  );
}
console.log(`node ${process.versions.node}, speed ${speed}, load ${loadavg()[0]?.toFixed(2)}`);
process.exitCode = missed ? 1 : 0;

async function measure(count: number) {
  let plugin: PluginProcess | undefined;
  await using world = await World.start({
    machines,
    speed,
    offers: count + 20,
    driver: async (settings) => {
      plugin = await PluginProcess.start(settings.env, settings.config);
      return new SmallEngineDriver(settings, plugin);
    },
  });
  let largestKb = 0;
  const watching = setInterval(() => {
    largestKb = Math.max(largestKb, plugin?.residentKb ?? 0);
  }, 100);
  const started = Date.now();
  const run = await world.driver.up(
    Array.from({ length: count }, (_, i) => ({ name: `gpu-${i}`, bootMinutes: 8 })),
  );
  const seconds = ((Date.now() - started) / 1000) * speed;
  clearInterval(watching);
  if (!run.ok) throw new Error(run.errors.join("\n"));
  const requests = world.tap.arrivals.length;
  const destroyed = await world.driver.destroy();
  if (!destroyed.ok) throw new Error(destroyed.errors.join("\n"));
  await plugin?.end();
  // Four reads before the first create; the last order is visible after up to 2 s, up after up to 5 s.
  const least = 4 + (count - 1) * 5 + 5;
  return { seconds, least, requestsPerSecond: requests / seconds, megabytes: largestKb / 1024 };
}
