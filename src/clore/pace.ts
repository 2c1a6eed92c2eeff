/**
 * `CLORE_EMULATOR_SPEED`: how many times faster a local emulator lives (`clore emulate --speed`). It counts only on
 * loopback: the real service's limits are not ours to bend.
 */
export function emulatedPace(apiUrl: string, env: Readonly<Record<string, string | undefined>>): number {
  const speed = Number(env.CLORE_EMULATOR_SPEED ?? 1);
  const local = ["127.0.0.1", "localhost", "[::1]"].includes(new URL(apiUrl).hostname);
  return local && speed >= 1 ? speed : 1;
}
