/** What every command works with: the configuration, the rules, the store; and how it ends. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadConfig, loadConnectionSecrets, loadEspKeys } from '../config.ts'
import type { Config } from '../config-schema.ts'
import type { DestinationKind } from '../deliveries.ts'
import { loadRules, type RuleSet } from '../detect/rules.ts'
import type { EspKeyEntry } from '../dissect/esp-keyring.ts'
import type { ClusterOptions } from '../store/cluster/store.ts'
import type { Retention } from '../store/search.ts'
import { type EventStore, STORES } from '../store/stores.ts'
import { VERSION } from '../version.ts'

/** The exit codes of every command. */
export const EXIT = {
  FINE: 0,
  /** `--fail-on` was given, and something at or above that level was found. */
  FOUND: 1,
  /** Wrong usage, configuration, rule or query. */
  USAGE: 2,
  /** An input could not be read, or not to its end. */
  INPUT: 3,
  /** An error of Borescope itself. */
  INTERNAL: 4,
  /** Events were not delivered: they wait in the spool, or were lost. */
  UNDELIVERED: 5,
} as const

/** The user can mend this: shown without a stack trace. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const BUILTIN_RULES = fileURLToPath(new URL('../../rules', import.meta.url))

export class Context {
  readonly config: Config
  /** Null when only defaults apply. */
  readonly configFile: string | null
  /** As it was asked for: where the configuration is read again. */
  readonly configPath: string | undefined

  constructor(configPath: string | undefined) {
    this.configPath = configPath
    const { config, file } = loadConfig(configPath, process.env)
    this.config = config
    this.configFile = file
  }

  /** The rules of all configured folders; those that are wrong are among the problems. */
  rules(): { readonly set: RuleSet; readonly folders: readonly string[] } {
    const { builtin, rules } = this.config.detect
    const folders = [...(builtin ? [BUILTIN_RULES] : []), ...rules]
    const missing = folders.find((folder) => !existsSync(folder))
    if (missing !== undefined) {
      throw new UsageError(`rules folder ${missing} does not exist (detect.rules in the configuration)`)
    }
    return { set: loadRules(...folders), folders }
  }

  /** The keys of ESP SAs that are configured. Warns on stderr if others can read them. */
  espKeys(): readonly EspKeyEntry[] {
    const { entries, warnings } = loadEspKeys(this.config)
    for (const warning of warnings) process.stderr.write(`borescope: ${warning}\n`)
    return entries
  }

  /** How the configured cluster is reached. Warns on stderr if others can read its secrets. */
  clusterOptions(): ClusterOptions {
    const { store } = this.config
    const { password, apiKey, ca, warnings } = loadConnectionSecrets(this.config, 'store', process.env)
    for (const warning of warnings) process.stderr.write(`borescope: ${warning}\n`)
    return {
      connection: {
        nodes: store.nodes,
        ...(store.username === '' ? {} : { username: store.username, password }),
        ...(apiKey === '' ? {} : { apiKey }),
        ...(ca === '' ? {} : { ca }),
        verifyTls: store.verifyTls,
        requestTimeoutMs: store.requestTimeoutSeconds * 1000,
        compression: store.compression,
      },
      namespace: store.namespace,
      shards: store.shards,
      replicas: store.replicas,
      lifecycle: {
        rolloverDays: store.rolloverDays,
        rolloverBytes: store.rolloverBytes,
        warmAfterDays: store.warmAfterDays,
        deleteAfterDays: store.deleteAfterDays,
      },
      version: VERSION,
    }
  }

  /** For asking. What is not there yet is explained, not created. */
  async openStore(): Promise<EventStore> {
    const { kind, path } = this.config.store
    if (kind !== 'embedded') return STORES[kind]({ ...this.clusterOptions(), readOnly: true })
    if (!existsSync(path)) {
      throw new UsageError(`there are no events yet at ${path}: analyse a capture first, as in 'borescope replay FILE'`)
    }
    return STORES.embedded({ path, readOnly: true })
  }

  /** How the configured store is written to. */
  get storeKind(): DestinationKind {
    return this.config.store.kind === 'embedded' ? 'local' : 'remote'
  }

  async createStore(): Promise<EventStore> {
    const { kind, path } = this.config.store
    return kind === 'embedded' ? STORES.embedded({ path }) : STORES[kind](this.clusterOptions())
  }

  /** Where the store is, for people. */
  get storeName(): string {
    const { kind, path, nodes } = this.config.store
    return kind === 'embedded' ? path : nodes.join(', ')
  }

  /** What the store keeps after a replay; a cluster has its life cycle. Not by age: captures may be old. */
  get retention(): Retention {
    const { kind, maxBytes } = this.config.store
    return kind === 'embedded' ? { maxBytes } : {}
  }
}
