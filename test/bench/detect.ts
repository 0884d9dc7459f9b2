/** The figures of detection for `npm run bench`. */
import type { Detection } from './detect-case.ts'
import { runCase } from './run.ts'

export function measureDetection(events: number): Detection {
  return runCase<Detection>('detect-case.ts', [String(events)])
}

/** The figures as lines for people. */
export function detectionLines({ events, rules, rulesSeconds, allSeconds }: Detection): string[] {
  const rate = (seconds: number) => Math.round(events / seconds).toLocaleString('en')
  return [
    `detection, one core: ${rate(rulesSeconds)} events/s past ${rules} rules, ${rate(allSeconds)} past rules and learned habits`,
  ]
}
