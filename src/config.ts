/**
 * The configuration: a schema with defaults (`config-schema.ts`), one YAML file, overrides from the environment. The only reader of either.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { z } from 'zod'
import { maskAlerts, type Secret } from './alert-config.ts'
import { type Config, SCHEMA } from './config-schema.ts'
import type { EspKeyEntry } from './dissect/esp-keyring.ts'
import { parseEspKeys } from './esp-keys.ts'

/** Something in the configuration is wrong: the message names the key, the line, and what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export const DEFAULT_FILES = ['borescope.yaml', 'borescope.yml', '/etc/borescope/borescope.yaml'] as const
const PREFIX = 'BORESCOPE_'

/**
 * The effective configuration: defaults, then the file, then the environment. `BORESCOPE_TRACK__TUNNELS_MAX=5` overrides
 * `track.tunnelsMax`; lists are separated by commas. Throws a `ConfigError`.
 */
export function loadConfig(
  path: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): { config: Config; file: string | null } {
  const file =
    path ??
    (environment['BORESCOPE_CONFIG'] || undefined) ??
    DEFAULT_FILES.find((candidate) => existsSync(candidate)) ??
    null
  const read = file === null ? null : readYaml(file)
  const values = structuredClone(read?.values ?? {})
  // A section whose keys are all commented out is null in YAML.
  for (const section of Object.keys(SCHEMA.shape)) if (values[section] === null) delete values[section]
  const overridden = override(values, environment)
  const result = SCHEMA.safeParse(values)
  if (result.success) return { config: result.data, file }
  const problems = result.error.issues.flatMap((issue) => describeIssue(issue, file, read, overridden, values))
  throw new ConfigError(problems.join('\n'))
}

interface YamlFile {
  readonly values: Record<string, unknown>
  lineOf(path: readonly PropertyKey[]): number | null
}

function readYaml(file: string): YamlFile {
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(
      `${file}: cannot be read (${error instanceof Error ? error.message : error}); name another file with --config`,
    )
  }
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines })
  const [error] = document.errors
  if (error !== undefined)
    throw new ConfigError(`${file}:${lines.linePos(error.pos[0]).line}: ${withoutSource(error.message)}`)
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined)
        throw new ConfigError(
          `${file}:${lines.linePos(alias.range?.[0] ?? 0).line}: an alias without its anchor; a text that begins with * needs quotes`,
        )
    },
  })
  const values = plainValues(document, file)
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new ConfigError(
      `${file}:1: expected keys such as "track:", found a ${Array.isArray(values) ? 'list' : typeof values}`,
    )
  return {
    values: values as Record<string, unknown>,
    lineOf(path) {
      const node = nodeAt(document.contents, path)
      return node?.range ? lines.linePos(node.range[0]).line : null
    },
  }
}

function plainValues(document: Document, file: string): unknown {
  try {
    return document.toJS() ?? {}
  } catch {
    throw new ConfigError(`${file}: too many aliases`)
  }
}

/** What the parser says, without the piece of the file that it quotes: that may be a secret. */
function withoutSource(message: string): string {
  const [says] = message.split(/ at line \d|[:\n]/, 1)
  return says.replace(/!\S+/g, '!…')
}

/** The node at a path, or the nearest one above it that exists; of a map entry its key. */
function nodeAt(root: Node | null, path: readonly PropertyKey[]): Node | null {
  let node: unknown = root
  let nearest: Node | null = root
  for (const step of path) {
    if (isSeq(node) && isNode(node.items[Number(step)])) {
      nearest = node.items[Number(step)] as Node
      node = nearest
      continue
    }
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === step)
    if (pair === undefined) break
    nearest = pair.key as Node
    node = isAlias(pair.value) ? null : pair.value
  }
  return nearest
}

/** Variables that are no keys: where the configuration is, and what the tests look for. */
const OTHER_VARIABLES = /^BORESCOPE_(CONFIG|CAPTURES|SIGMA|TEST_.*)$/

/** Writes what the environment says over `values`; gives the variable of each path that it set. */
function override(
  values: Record<string, unknown>,
  environment: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const overridden = new Map<string, string>()
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === undefined) continue
    if (!name.includes('__')) {
      if (OTHER_VARIABLES.test(name)) continue
      throw new ConfigError(`environment variable ${name}: no such setting; a key is written as ${PREFIX}SECTION__KEY`)
    }
    const path = name.slice(PREFIX.length).split('__').map(camelCase)
    let node = values
    for (const step of path.slice(0, -1)) {
      if (typeof node[step] !== 'object' || node[step] === null) node[step] = {}
      node = node[step] as Record<string, unknown>
    }
    node[path[path.length - 1]] = readValue(path, text, values)
    overridden.set(path.join('.'), name)
  }
  return overridden
}

function camelCase(part: string): string {
  return part.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** The text as the schema wants it: a list, a number, a boolean, or itself. */
function readValue(path: readonly string[], text: string, values: unknown): unknown {
  const kind = kindAt(path, values)
  if (kind === 'array') {
    const items = text.split(',').map((item) => item.trim())
    return path.at(-1) === 'l2tpPorts' ? items.map(Number) : items
  }
  if (kind === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  if (kind === 'number' && text.trim() !== '' && !Number.isNaN(Number(text))) return Number(text)
  return text
}

function kindAt(path: readonly string[], values: unknown): string | undefined {
  const type = schemaAt(path, values)?.type
  return type === 'integer' ? 'number' : type
}

/** What of JSON Schema is looked at. */
interface JsonSchema {
  readonly type?: string
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
}

/** The schema of a path. Where there are alternatives, the values say by their `type` which one it is. */
function schemaAt(path: readonly PropertyKey[], values: unknown): JsonSchema | undefined {
  let schema: JsonSchema | undefined = z.toJSONSchema(SCHEMA, { io: 'input' }) as JsonSchema
  let value = values
  for (const step of path) {
    const { properties, additionalProperties, items } = schema
    const open = typeof additionalProperties === 'object' ? additionalProperties : items
    value = (value as Record<PropertyKey, unknown> | null | undefined)?.[step]
    schema = alternative(properties?.[String(step)] ?? open, value)
    if (schema === undefined) return undefined
  }
  return schema
}

function alternative(schema: JsonSchema | undefined, value: unknown): JsonSchema | undefined {
  const alternatives = schema?.oneOf ?? schema?.anyOf
  if (alternatives === undefined) return schema
  const type = (value as { readonly type?: unknown } | null | undefined)?.type
  return (
    alternatives.find(({ properties }) => type !== undefined && properties?.['type']?.const === type) ??
    alternatives.find((one) => one.type === 'object') ??
    alternatives[0]
  )
}

function describeIssue(
  issue: z.core.$ZodIssue,
  file: string | null,
  read: YamlFile | null,
  overridden: ReadonlyMap<string, string>,
  values: unknown,
): string[] {
  const describe = (path: readonly PropertyKey[], says: string): string => {
    const key = path.map(String).join('.')
    const variable = variableOf(key, overridden)
    const line = read?.lineOf(path) ?? null
    const where =
      variable !== undefined
        ? `environment variable ${variable}`
        : `${file ?? 'configuration'}${line === null ? '' : `:${line}`}`
    return `${where}: ${key || 'configuration'}: ${says}`
  }
  if (issue.code !== 'unrecognized_keys') return [describe(issue.path, issue.message)]
  const known = keysAt(issue.path, values).join(', ')
  return issue.keys.map((key) => describe([...issue.path, key], `no such key; known here: ${known}`))
}

/** The variable that set a key, something in it, or what it is in. */
function variableOf(key: string, overridden: ReadonlyMap<string, string>): string | undefined {
  for (const [path, name] of overridden) {
    if (path === key || path.startsWith(`${key}.`) || key.startsWith(`${path}.`)) return name
  }
  return undefined
}

function keysAt(path: readonly PropertyKey[], values: unknown): string[] {
  return Object.keys(schemaAt(path, values)?.properties ?? {})
}

/**
 * The keys of ESP SAs in the file that the configuration names, and what its owner should know of it. Throws a `ConfigError` that
 * says which lines are wrong, and nothing of what stands there.
 */
export function loadEspKeys(config: Config): { entries: readonly EspKeyEntry[]; warnings: readonly string[] } {
  const file = config.secrets.espKeys
  if (file === '') return { entries: [], warnings: [] }
  let source: string
  let mode: number
  try {
    source = readFileSync(file, 'utf8')
    mode = statSync(file).mode
  } catch (error) {
    throw new ConfigError(`secrets.espKeys: ${file} cannot be read (${error instanceof Error ? error.message : error})`)
  }
  const { entries, problems } = parseEspKeys(source)
  if (problems.length > 0) throw new ConfigError(problems.map((problem) => `${file}: ${problem}`).join('\n'))
  const isOpen = process.platform !== 'win32' && (mode & 0o077) !== 0
  const warnings = isOpen ? [`${file} holds keys and is open to other users: chmod 600 ${file}`] : []
  return { entries, warnings }
}

/**
 * A secret, from wherever the configuration says that it stands; a line break at the end of a file is not part of it.
 *
 * @param key where in the configuration, for the `ConfigError` that names what cannot be read
 */
export function readSecret(
  secret: Secret,
  key: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (typeof secret === 'string') return secret
  if ('env' in secret) {
    const value = environment[secret.env]
    if (value) return value
    throw new ConfigError(`${key}: the environment variable ${secret.env} is not set`)
  }
  const value = readConfigured(secret.file, key).trimEnd()
  if (value === '') throw new ConfigError(`${key}: ${secret.file} is empty`)
  return value
}

/** The text of a file that the configuration names. */
export function readConfigured(file: string, key: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`${key}: ${file} cannot be read (${error instanceof Error ? error.message : error})`)
  }
}

/** What a file beside the configuration says, and what its owner should know of it. */
function secretOf(value: string, key: string, file: string): { secret: string; warnings: readonly string[] } {
  if (file === '') return { secret: value, warnings: [] }
  const secret = readConfigured(file, key).trim()
  if (secret === '') throw new ConfigError(`${key}: ${file} is empty`)
  const isOpen = process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0
  return { secret, warnings: isOpen ? [`${file} holds a secret and is open to other users: chmod 600 ${file}`] : [] }
}

/** The certificates in a file; empty if none is named. */
function certificatesOf(key: string, file: string): string {
  if (file === '') return ''
  const text = readConfigured(file, key)
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new ConfigError(`${key}: ${file} holds no certificate in PEM`)
  return text
}

export interface ConnectionSecrets {
  readonly password: string
  readonly apiKey: string
  /** Empty for what the system trusts. */
  readonly ca: string
  readonly warnings: readonly string[]
}

/** What the configuration keeps in files for the store. Throws a `ConfigError` that names the file, and nothing of it. */
export function loadStoreSecrets({ store }: Config): ConnectionSecrets {
  const password = secretOf(store.password, 'store.passwordFile', store.passwordFile)
  const apiKey = secretOf(store.apiKey, 'store.apiKeyFile', store.apiKeyFile)
  const ca = certificatesOf('store.caFile', store.caFile)
  return { password: password.secret, apiKey: apiKey.secret, ca, warnings: [...password.warnings, ...apiKey.warnings] }
}

/** What the configuration keeps in files for Kibana or OpenSearch Dashboards. Throws a `ConfigError`, as for the store. */
export function loadDashboardsSecrets({ dashboards }: Config): ConnectionSecrets {
  const password = secretOf(dashboards.password, 'dashboards.passwordFile', dashboards.passwordFile)
  const apiKey = secretOf(dashboards.apiKey, 'dashboards.apiKeyFile', dashboards.apiKeyFile)
  const ca = certificatesOf('dashboards.caFile', dashboards.caFile)
  return { password: password.secret, apiKey: apiKey.secret, ca, warnings: [...password.warnings, ...apiKey.warnings] }
}

const MASK = '********'

/** The configuration for people to see: secrets replaced. */
export function maskSecrets(config: Config): Config {
  const { l2tp, ppp } = config.secrets
  const { store, dashboards } = config
  return {
    ...config,
    store: { ...store, password: store.password && MASK, apiKey: store.apiKey && MASK },
    dashboards: { ...dashboards, password: dashboards.password && MASK, apiKey: dashboards.apiKey && MASK },
    alerts: maskAlerts(config.alerts),
    secrets: {
      ...config.secrets,
      l2tp: l2tp.map(() => MASK),
      ppp: ppp.map(({ user, password }) =>
        password === undefined ? { user, ntHash: MASK } : { user, password: MASK },
      ),
    },
  }
}

/** Every key with its default and its meaning, for the reference. */
export function describeConfig(): { key: string; fallback: unknown; says: string }[] {
  const root = z.toJSONSchema(SCHEMA, { io: 'input' }) as unknown as DescribedKeys
  return Object.entries(root.properties).flatMap(([section, { properties }]) => keysOf(section, properties ?? {}))
}

interface DescribedKeys {
  readonly properties: Readonly<Record<string, Partial<DescribedKeys> & { default: unknown; description: string }>>
}

/** A section within a section is told by its keys. */
function keysOf(section: string, properties: DescribedKeys['properties']): ReturnType<typeof describeConfig> {
  return Object.entries(properties).flatMap(([name, { default: fallback, description, properties: own }]) => {
    const key = `${section}.${name}`
    return own === undefined ? [{ key, fallback, says: description }] : keysOf(key, own)
  })
}
