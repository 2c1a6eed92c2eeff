import { defineConfig } from "vitest/config";

const faults = "test/faults/**";

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 120_000,
    restoreMocks: true,
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "rules",
          include: ["test/**/*.test.ts"],
          exclude: [faults],
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Each of these plays many stories side by side and takes all cores: beside them, others would time out.
        extends: true,
        test: {
          name: "faults",
          include: [`${faults}/*.test.ts`],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
