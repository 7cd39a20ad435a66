import { defineConfig } from 'vitest/config';

/** Clients in other languages (npm run test:clients): they fetch and build what they need, one after the other. */
export default defineConfig({
  test: { include: ['test/clients/*.test.ts'], testTimeout: 600_000, hookTimeout: 1_200_000, maxWorkers: 1 },
});
