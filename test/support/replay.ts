/** A capture through the whole sensor, as a list of events. */
import { fileURLToPath } from 'node:url'
import { mergeByTime } from '../../src/capture/merge.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { loadConfig } from '../../src/config.ts'
import type { Config } from '../../src/config-schema.ts'
import { loadRules, type RuleSet } from '../../src/detect/rules.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { Sensor } from '../../src/sensor.ts'
import { assertDeclared } from './sensor.ts'

let builtin: RuleSet | undefined

/** The rules that come with Borescope. */
export function builtinRules(): RuleSet {
  builtin ??= loadRules(fileURLToPath(new URL('../../rules', import.meta.url)))
  return builtin
}

export interface ReplayOptions {
  /** Shared secrets of tunnels. */
  readonly secrets?: readonly string[]
  /** By default those that come with Borescope; null for none. */
  readonly rules?: RuleSet | null
  readonly change?: (config: Config) => void
}

export async function replayEvents(path: string, options: ReplayOptions = {}): Promise<EventDocument[]> {
  const { config } = loadConfig(undefined, {})
  config.secrets.l2tp.push(...(options.secrets ?? []))
  options.change?.(config)
  const sensor = new Sensor(config, 'test', options.rules === undefined ? builtinRules() : options.rules)
  const events: EventDocument[] = []
  sensor.bus.subscribe((event) => {
    assertDeclared(event)
    events.push(event)
  })
  const source = mergeByTime([await openCapture(path)])
  try {
    await sensor.run(source, () => {})
  } finally {
    await source.close()
  }
  return events
}
