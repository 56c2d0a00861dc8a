import { defineConfig } from 'vitest/config'

// One node, one browser, one test after the other: what one test makes the next one sees.
export default defineConfig({
  test: { root: import.meta.dirname, include: ['*.e2e.ts'], fileParallelism: false, testTimeout: 180_000, hookTimeout: 120_000, bail: 1 },
})
