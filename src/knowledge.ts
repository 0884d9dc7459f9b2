/** What a sensor knows beside the packets: rules, keys, places, the inventory, lists of indicators. Loaded and checked as a whole. */
import type { Context } from './commands/context.ts'
import { openEnrichers } from './commands/enrichment.ts'
import type { RuleSet } from './detect/rules.ts'
import type { EspKeyEntry } from './dissect/esp-keyring.ts'
import type { Enricher } from './enrich/enrichers.ts'

export interface Knowledge {
  readonly rules: RuleSet
  readonly espKeys: readonly EspKeyEntry[]
  readonly enrichers: readonly Enricher[]
}

/**
 * Rules that are wrong are among the problems of the set; anything else that is wrong is thrown.
 *
 * @throws {UsageError | ConfigError} that names the file
 */
export function loadKnowledge(context: Context): Knowledge {
  return { rules: context.rules().set, espKeys: context.espKeys(), enrichers: openEnrichers(context.config) }
}
