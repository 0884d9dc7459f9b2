/** A reporter that ends a run with one plain line of totals, for whoever reads it by machine. */
import type { Reporter, TestModule } from 'vitest/node'

export default class Totals implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const totals = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    let broken = 0
    for (const module of modules) {
      for (const test of module.children.allTests()) totals[test.result().state]++
      // A file that could not be loaded has no tests to fail.
      if (module.errors().length > 0) broken++
    }
    const { passed, failed, skipped, pending } = totals
    process.stdout.write(`\n${passed} passed, ${failed + broken} failed, ${skipped + pending} skipped\n`)
  }
}
