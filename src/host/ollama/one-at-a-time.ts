const queues = new Map<string, Promise<unknown>>();

/** Runs what is called with the same name one after the other, in the order of the calls. */
export async function oneAtATime<T>(name: string, run: () => Promise<T>): Promise<T> {
  const mine = (queues.get(name) ?? Promise.resolve()).then(run, run);
  queues.set(name, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(name) === mine) queues.delete(name);
  }
}
