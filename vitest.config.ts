import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['./test/support/servers/broker.ts'],
    reporters: ['default', './test/support/totals.ts'],
    // Two workers: tests that replay whole captures are heavy, and the machines are small.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
