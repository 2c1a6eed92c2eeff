import { living, rentAndWait } from "./support.ts";

// Rents one machine, says where it is, and waits to be killed.
const [machines, stateDir] = process.argv.slice(2);
const renter = await living({ machines: machines as "sandbox" | "docker", stateDir });
await rentAndWait(renter, 100, { command: "sleep 4716" });
console.log(renter.emulator.active()[0]?.machine);
