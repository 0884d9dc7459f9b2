/**
 * Index templates: made from the catalogue, installed and updated in place when a store is opened for writing.
 *
 * For each stream there is an index template `logs-borescope.l2tp` that is composed of
 * - `borescope@settings`: shards, replicas, life cycle;
 * - `logs-borescope.l2tp@mappings`: its fields, and the analysis of words;
 * - `borescope@custom`: empty, and never touched again: what stands there wins over the others.
 *
 * `_meta` holds the version of Borescope and a hash of what was made. A template of a later version is left alone. What
 * changed is applied to streams that exist already; where a field changed its type, the stream is rolled over.
 */
import { hash } from 'node:crypto'
import { type FieldName, isField } from '../../events/fields.ts'
import { WORDS_ANALYSIS } from '../kql-dsl.ts'
import { StoreError } from '../search.ts'
import { ask, type ClusterClient, reasonOf, refusal } from './client.ts'
import { installPolicy, type Lifecycle, type LifecycleKind, lifecycleKind, lifecycleTemplate } from './lifecycle.ts'
import { type Capabilities, leavesOf, MAPPED_MAX, mappingOf, propertiesOf, STREAMS, type Stream } from './mapping.ts'

/** Above the templates that come with a cluster (100 to 200), and above those of people who just put 300. */
const PRIORITY = 500
const SETTINGS = 'borescope@settings'
const CUSTOM = 'borescope@custom'

export interface TemplateOptions {
  readonly namespace: string
  readonly shards: number
  readonly replicas: number
  readonly lifecycle: Lifecycle
  /** Of Borescope: `major.minor.patch`. */
  readonly version: string
}

interface Meta {
  readonly managed_by: 'borescope'
  readonly version: string
  readonly hash: string
}

interface Template {
  readonly meta: Partial<Meta>
  readonly mappings: Mappings
}

interface Mappings extends Record<string, unknown> {
  readonly properties: Record<string, unknown>
}

type Api = 'component_template' | 'index_template'

export class Templates {
  readonly #client: ClusterClient
  readonly #options: TemplateOptions
  /** Fields that each stream maps beyond those of the catalogue. */
  readonly #added = new Map<string, Set<FieldName>>()
  #capabilities: Capabilities = { dataStreams: true, words: true, constantKeyword: true }

  constructor(client: ClusterClient, options: TemplateOptions) {
    this.#client = client
    this.#options = options
  }

  /** Makes everything that is missing, or was made by an earlier version or with other options. */
  async install(): Promise<void> {
    this.#capabilities = await capabilitiesOf(this.#client)
    const { lifecycle, namespace } = this.#options
    const kind = this.#capabilities.dataStreams ? await lifecycleKind(this.#client, lifecycle) : 'none'
    await installPolicy(this.#client, kind, lifecycle, ['logs-borescope.*', 'metrics-borescope.*'])
    const components = await read(this.#client, 'component_template', '*borescope*')
    const indices = await read(this.#client, 'index_template', '*borescope*')
    if (!components.has(CUSTOM)) {
      await this.#put('component_template', CUSTOM, { template: {}, _meta: { managed_by: 'borescope' } })
    }
    await this.#update('component_template', SETTINGS, this.#settings(kind), components)
    for (const [key, stream] of STREAMS) {
      const mappings = this.#mappingsOf(key, stream, components.get(`${key}@mappings`))
      const isNew = await this.#update('component_template', `${key}@mappings`, this.#component(mappings), components)
      await this.#update('index_template', key, this.#indexTemplate(key, kind), indices)
      if (isNew) await this.#applyTo(key, mappings)
    }
    if (kind === 'stream') await this.#applyRetention(`logs-borescope.*-${namespace},metrics-borescope.*-${namespace}`)
  }

  /** Sees to it that fields which the catalogue does not foresee for a stream are mapped there. */
  async extend(key: string, fields: readonly FieldName[]): Promise<void> {
    const added = this.#added.get(key) ?? new Set()
    const missing = fields.filter((field) => !added.has(field))
    if (missing.length === 0) return
    const name = `${key}@mappings`
    const present = (await read(this.#client, 'component_template', name)).get(name)
    if (present === undefined) throw new StoreError(`the index template ${name} is gone: start the sensor again`)
    const properties = merged(present.mappings.properties, propertiesOf(missing, this.#capabilities))
    const mappings = { ...present.mappings, properties }
    await this.#put('component_template', name, { ...this.#component(mappings), _meta: present.meta })
    await this.#applyTo(key, mappings)
    this.#added.set(key, new Set([...added, ...missing]))
  }

  /** What the catalogue says, and what was added for events that it did not foresee. */
  #mappingsOf(key: string, stream: Stream, present: Template | undefined): Mappings {
    const mappings = mappingOf(stream, this.#capabilities)
    const leaves = leavesOf(mappings.properties)
    const added = [...leavesOf(present?.mappings.properties ?? {}).keys()]
      .filter(isField)
      .filter((name) => !leaves.has(name))
    this.#added.set(key, new Set(added))
    return { ...mappings, properties: merged(mappings.properties, propertiesOf(added, this.#capabilities)) }
  }

  #component(mappings: Mappings): object {
    const analysis = this.#capabilities.words ? { analysis: WORDS_ANALYSIS } : {}
    return { template: { settings: { index: { 'mapping.total_fields.limit': MAPPED_MAX, ...analysis } }, mappings } }
  }

  #settings(kind: LifecycleKind): object {
    const { shards, replicas, lifecycle } = this.#options
    const index = {
      number_of_shards: shards,
      // A copy that no node can take would leave the cluster yellow for ever.
      ...(replicas === 0 ? { number_of_replicas: 0 } : { auto_expand_replicas: `0-${replicas}` }),
      refresh_interval: '5s',
      // The mode for logs may give documents back in another form than they were written in.
      ...(this.#client.product === 'elasticsearch' ? { mode: 'standard' } : {}),
      ...lifecycleTemplate(kind, lifecycle).settings,
    }
    return { template: { settings: { index } } }
  }

  #indexTemplate(key: string, kind: LifecycleKind): object {
    return {
      index_patterns: [`${key}-*`],
      priority: PRIORITY,
      ...(this.#capabilities.dataStreams ? { data_stream: {} } : {}),
      composed_of: [SETTINGS, `${key}@mappings`, CUSTOM],
      template: lifecycleTemplate(kind, this.#options.lifecycle).template,
    }
  }

  /** Puts a template if the one that is there is of an earlier version, or another; true if it did. */
  async #update(api: Api, name: string, body: object, present: ReadonlyMap<string, Template>): Promise<boolean> {
    const { version } = this.#options
    const digest = hash('sha1', JSON.stringify(body))
    const meta = present.get(name)?.meta
    if (meta !== undefined && isLater(meta.version, version)) return false
    if (meta !== undefined && meta.version === version && meta.hash === digest) return false
    const made: Meta = { managed_by: 'borescope', version, hash: digest }
    await this.#put(api, name, { ...body, _meta: made })
    return true
  }

  async #put(api: Api, name: string, body: object): Promise<void> {
    await ask(this.#client, { method: 'PUT', path: `/_${api}/${name}`, body })
  }

  /** Brings an existing stream to these mappings; one in which a field changed its type begins a new index. */
  async #applyTo(key: string, { properties }: Mappings): Promise<void> {
    const target = `${key}-${this.#options.namespace}`
    const call = { method: 'PUT', path: `/${target}/_mapping`, body: { properties } } as const
    const reply = await this.#client.request(call)
    if (reply.status < 300 || reply.status === 404) return
    if (reply.status !== 400) throw refusal(this.#client, call, reply)
    if (!this.#capabilities.dataStreams) {
      const advice = 'set another store.namespace, or delete the index'
      throw new StoreError(`the index ${target} was made by another version (${reasonOf(reply)}): ${advice}`)
    }
    await ask(this.#client, { method: 'POST', path: `/${target}/_rollover` })
  }

  async #applyRetention(streams: string): Promise<void> {
    const { lifecycle } = lifecycleTemplate('stream', this.#options.lifecycle).template
    const call = { method: 'PUT', path: `/_data_stream/${streams}/_lifecycle`, body: lifecycle ?? {} } as const
    const reply = await this.#client.request(call)
    if (reply.status >= 300 && reply.status !== 404) throw refusal(this.#client, call, reply)
  }
}

async function read(client: ClusterClient, api: Api, name: string): Promise<Map<string, Template>> {
  const call = { method: 'GET', path: `/_${api}/${name}` } as const
  const reply = await client.request(call)
  if (reply.status === 404) return new Map()
  if (reply.status >= 300) throw refusal(client, call, reply)
  const list = (reply.body as Record<string, Record<string, unknown>[]>)[`${api}s`]
  return new Map(list.map((entry) => [entry['name'] as string, templateOf(entry[api])]))
}

function templateOf(body: unknown): Template {
  const { _meta: meta, template } = body as { _meta?: Partial<Meta>; template?: { mappings?: Partial<Mappings> } }
  const mappings = template?.mappings ?? {}
  return { meta: meta ?? {}, mappings: { ...mappings, properties: mappings.properties ?? {} } }
}

function merged(one: object, other: object): Record<string, unknown> {
  const result: Record<string, unknown> = { ...one }
  for (const [name, value] of Object.entries(other)) {
    const present = result[name] as { properties?: object } | undefined
    const { properties } = value as { properties?: object }
    if (present?.properties === undefined || properties === undefined) result[name] ??= value
    else result[name] = { ...present, properties: merged(present.properties, properties) }
  }
  return result
}

/** Whether a version `major.minor.patch` is later than another. */
export function isLater(version: string | undefined, other: string): boolean {
  if (version === undefined) return false
  const parts = (text: string) => text.split(/[.-]/).slice(0, 3).map(Number)
  const [a, b] = [parts(version), parts(other)]
  for (let i = 0; i < 3; i++) if (a[i] !== b[i]) return a[i] > b[i]
  return false
}

/** The version of each component template that Borescope has made. */
export async function installedVersions(client: ClusterClient): Promise<ReadonlyMap<string, string>> {
  const present = await read(client, 'component_template', '*borescope*')
  return new Map([...present].flatMap(([name, { meta }]) => (meta.version === undefined ? [] : [[name, meta.version]])))
}

/** Asks the server to compose templates that it does not keep. */
export async function capabilitiesOf(client: ClusterClient): Promise<Capabilities> {
  const composes = async (template: object) => {
    const body = { index_patterns: ['borescope-capability-*'], priority: PRIORITY, template }
    const call = { method: 'POST', path: '/_index_template/_simulate', body } as const
    const reply = await client.request(call)
    if (reply.status === 400) return false
    if (reply.status >= 300) throw refusal(client, call, reply)
    return true
  }
  const streams = await client.request({ method: 'GET', path: '/_data_stream/logs-borescope.*' })
  const analyzer = Object.keys(WORDS_ANALYSIS.analyzer)[0]
  return {
    dataStreams: streams.status === 200 || streams.status === 403 || streams.status === 404,
    words: await composes({
      settings: { index: { analysis: WORDS_ANALYSIS } },
      mappings: { properties: { message: { type: 'text', analyzer } } },
    }),
    constantKeyword: await composes({ mappings: { properties: { a: { type: 'constant_keyword', value: 'a' } } } }),
  }
}
