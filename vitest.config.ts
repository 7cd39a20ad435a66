import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // vitest.clients.config.ts has them.
    exclude: ['test/clients/**'],
    setupFiles: ['test/support/timing.ts'],
    // Real processes and sockets: a busy machine is slow, and slow is not wrong.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 50_000 } },
    // Two cores, and model workers bring threads of their own.
    maxWorkers: 2,
  },
});
