/** What `borescope doctor` says about a cluster, and what to do about it. */
import { StoreError } from '../search.ts'
import { type ClusterClient, PRODUCT_NAMES, type Reply, reasonOf } from './client.ts'
import { lifecycleKind } from './lifecycle.ts'
import { STREAMS } from './mapping.ts'
import { type ClusterOptions, refuseOtherProducts, streamPattern } from './store.ts'
import { capabilitiesOf, installedVersions, isLater } from './templates.ts'

export interface Finding {
  readonly of: string
  readonly state: 'fine' | 'note' | 'wrong'
  readonly says: string
}

/** A clock that differs by more is worth a line. */
const SKEW_MS = 2000

/** Asks the cluster for everything that a store in it depends on. What cannot be asked is a finding too. */
export async function examineCluster(client: ClusterClient, options: ClusterOptions): Promise<Finding[]> {
  try {
    const { number, flavour } = await refuseOtherProducts(client)
    const says = `${PRODUCT_NAMES[client.product]} ${number} at ${client.name}${flavour === null ? '' : `, ${flavour}`}`
    const findings: Finding[] = [{ of: 'cluster', state: 'fine', says }]
    for (const examination of [licence, health, disks, privileges, templates, lifecycle, abilities]) {
      findings.push(...(await examined(examination, client, options)))
    }
    return findings
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return [{ of: 'cluster', state: 'wrong', says: error.message }]
  }
}

type Examination = (client: ClusterClient, options: ClusterOptions) => Promise<Finding[]>

async function examined(examination: Examination, client: ClusterClient, options: ClusterOptions): Promise<Finding[]> {
  try {
    return await examination(client, options)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return [{ of: examination.name, state: 'wrong', says: error.message }]
  }
}

async function licence(client: ClusterClient): Promise<Finding[]> {
  if (client.product === 'opensearch') return []
  const reply = await client.request({ method: 'GET', path: '/_license' })
  if (isMissing(reply)) {
    return [{ of: 'licence', state: 'note', says: 'the server has no licence: it is built without x-pack' }]
  }
  if (reply.status >= 300) return [unknown('licence', reply)]
  const { license } = reply.body as { license: { type: string; status: string; expiry_date?: string } }
  const until = license.expiry_date === undefined ? '' : `, until ${license.expiry_date}`
  return [
    {
      of: 'licence',
      state: license.status === 'active' ? 'fine' : 'wrong',
      says: `${license.type}, ${license.status}${until}`,
    },
  ]
}

async function health(client: ClusterClient): Promise<Finding[]> {
  const reply = await client.request({ method: 'GET', path: '/_cluster/health' })
  if (reply.status >= 300) return [unknown('health', reply)]
  const found = reply.body as { status: string; number_of_nodes: number; unassigned_shards: number }
  const states = { green: 'fine', yellow: 'note', red: 'wrong' } as const
  const nodes = found.number_of_nodes === 1 ? '1 node' : `${found.number_of_nodes} nodes`
  const says = `${found.status}, ${nodes}, ${found.unassigned_shards} shards without a node`
  const advice = { fine: '', note: ': copies are missing', wrong: ': events cannot be stored or found in full' }
  const state = states[found.status as keyof typeof states] ?? 'wrong'
  return [{ of: 'health', state, says: `${says}${advice[state]}` }]
}

interface NodeStats {
  readonly name: string
  readonly timestamp: number
  readonly fs?: { readonly total?: { readonly total_in_bytes: number; readonly available_in_bytes: number } }
}

const WATERMARK = 'cluster.routing.allocation.disk.watermark'

/** Disks against the watermarks, and clocks against this machine's. */
async function disks(client: ClusterClient): Promise<Finding[]> {
  const beganMs = Date.now()
  const reply = await client.request({ method: 'GET', path: '/_nodes/stats/fs' })
  const middleMs = (beganMs + Date.now()) / 2
  if (reply.status >= 300) return [unknown('disks', reply)]
  const nodes = Object.values((reply.body as { nodes: Record<string, NodeStats> }).nodes)
  const query = { include_defaults: true, flat_settings: true, filter_path: `*.${WATERMARK}.*` }
  const settings = await client.request({ method: 'GET', path: '/_cluster/settings', query })
  const marks = settings.status < 300 ? (settings.body as Record<string, Record<string, string>>) : {}
  const mark = (name: string) => {
    const levels = ['transient', 'persistent', 'defaults']
    return levels.map((level) => marks[level]?.[`${WATERMARK}.${name}`]).find((value) => value !== undefined)
  }
  return [
    ...nodes.map((node) => disk(node, mark('low'), mark('flood_stage'))),
    ...nodes.flatMap(({ name, timestamp }) => {
      const skewMs = Math.round(timestamp - middleMs)
      if (Math.abs(skewMs) <= SKEW_MS) return []
      const by = `${Math.abs(skewMs) / 1000} s ${skewMs > 0 ? 'ahead of' : 'behind'}`
      const says = `the clock of ${name} is ${by} this machine's: let both follow a time server`
      return [{ of: 'clock', state: 'note', says } as const]
    }),
  ]
}

function disk({ name, fs }: NodeStats, low: string | undefined, flood: string | undefined): Finding {
  const total = fs?.total
  if (total === undefined || total.total_in_bytes <= 0)
    return { of: 'disk', state: 'note', says: `${name} says nothing of it` }
  const used = 1 - total.available_in_bytes / total.total_in_bytes
  const says = `${name}: ${Math.round(used * 100)} % used`
  const isOver = (mark: string | undefined) => {
    const bound = usedShare(mark, total.total_in_bytes)
    return bound !== null && used >= bound
  }
  if (isOver(flood))
    return {
      of: 'disk',
      state: 'wrong',
      says: `${says}, over the flood stage (${flood}): nothing is stored; free some`,
    }
  if (isOver(low))
    return { of: 'disk', state: 'note', says: `${says}, over the low watermark (${low}): it takes no new shards` }
  return { of: 'disk', state: 'fine', says }
}

const UNITS: Record<string, number> = { b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40, pb: 2 ** 50 }

/** A watermark as the share of the disk that is used: `85%`, `0.85`, or so many bytes that are left, as `10gb`. */
function usedShare(mark: string | undefined, totalBytes: number): number | null {
  const match = /^([\d.]+)\s*(%|[kmgtp]?b)?$/i.exec(mark ?? '')
  if (match === null) return null
  const [, digits, unit] = match
  if (unit === '%') return Number(digits) / 100
  return unit === undefined ? Number(digits) : 1 - (Number(digits) * UNITS[unit.toLowerCase()]) / totalBytes
}

/** What the store asks for of a cluster, and of its own streams. */
export const PRIVILEGES = {
  cluster: ['monitor', 'manage_index_templates', 'manage_ilm'],
  index: ['auto_configure', 'create_doc', 'delete', 'maintenance', 'manage', 'read', 'view_index_metadata'],
} as const

async function privileges(client: ClusterClient, { namespace, connection }: ClusterOptions): Promise<Finding[]> {
  const of = 'privileges'
  if (client.product === 'opensearch') {
    const reply = await client.request({ method: 'GET', path: '/_plugins/_security/authinfo' })
    if (isMissing(reply)) return [{ of, state: 'note', says: 'the server has no security: everyone may do everything' }]
    if (reply.status >= 300) return [unknown(of, reply)]
    const { user_name: user, roles } = reply.body as { user_name?: string; roles?: readonly string[] }
    return [{ of, state: 'fine', says: `${user} with the roles ${roles?.join(', ') ?? 'that it has'}` }]
  }
  const names = streamPattern(namespace).split(',')
  const body = { cluster: PRIVILEGES.cluster, index: [{ names, privileges: PRIVILEGES.index }] }
  const reply = await client.request({ method: 'POST', path: '/_security/user/_has_privileges', body })
  if (isMissing(reply)) return [{ of, state: 'note', says: 'the server has no security: everyone may do everything' }]
  if (reply.status >= 300) return [unknown(of, reply)]
  const found = reply.body as {
    readonly username?: string
    readonly has_all_requested: boolean
    readonly cluster: Record<string, boolean>
    readonly index: Record<string, Record<string, boolean>>
  }
  const who = found.username ?? connection.username ?? 'the API key'
  if (found.has_all_requested) return [{ of, state: 'fine', says: `${who} has all that are needed` }]
  const lacks = [found.cluster, ...Object.values(found.index)].flatMap((granted) =>
    Object.keys(granted).filter((name) => !granted[name]),
  )
  return [
    {
      of,
      state: 'wrong',
      says: `${who} lacks ${[...new Set(lacks)].join(', ')}: grant them for ${names.join(' and ')}`,
    },
  ]
}

async function templates(client: ClusterClient, { version }: ClusterOptions): Promise<Finding[]> {
  const of = 'templates'
  const installed = await installedVersions(client)
  const versions = [...STREAMS.keys()].map((key) => installed.get(`${key}@mappings`))
  const missing = versions.filter((found) => found === undefined).length
  if (missing > 0) {
    return [
      {
        of,
        state: 'note',
        says: `${missing} of ${versions.length} are not installed yet: whoever writes installs them`,
      },
    ]
  }
  const later = versions.find((found) => found !== undefined && isLater(found, version))
  if (later !== undefined) {
    return [
      { of, state: 'note', says: `those of Borescope ${later}, which is later than this one (${version}): update it` },
    ]
  }
  const earlier = versions.find((found) => found !== version)
  if (earlier === undefined) return [{ of, state: 'fine', says: `${versions.length} of version ${version}` }]
  return [{ of, state: 'note', says: `those of Borescope ${earlier}: whoever writes next updates them to ${version}` }]
}

async function lifecycle(client: ClusterClient, options: ClusterOptions): Promise<Finding[]> {
  const of = 'life cycle'
  const { deleteAfterDays, warmAfterDays } = options.lifecycle
  const kind = await lifecycleKind(client, options.lifecycle)
  if (kind === 'none') {
    const lacking = client.product === 'opensearch' ? 'the plugin for ISM' : 'data stream life cycles'
    return [{ of, state: 'note', says: `the server lacks ${lacking}: nothing is deleted by itself; watch the disks` }]
  }
  const names = { stream: 'of the data streams', ilm: 'by ILM', ism: 'by ISM' }
  const warm = warmAfterDays === 0 ? '' : `warm after ${warmAfterDays} days, `
  const end = deleteAfterDays === 0 ? 'never deleted' : `deleted after ${deleteAfterDays} days`
  return [{ of, state: 'fine', says: `${names[kind]}: ${warm}${end}` }]
}

async function abilities(client: ClusterClient): Promise<Finding[]> {
  const of = 'abilities'
  const { dataStreams, words, constantKeyword } = await capabilitiesOf(client)
  const lacks = [
    ...(dataStreams ? [] : ['data streams: plain indices are used, which are never rolled over']),
    ...(words ? [] : ['the pattern tokenizer: words of messages are those of the standard analyzer']),
    ...(constantKeyword ? [] : ['constant_keyword: data_stream.* are plain keywords']),
  ]
  return lacks.map((lack) => ({ of, state: 'note', says: `the server lacks ${lack}` }))
}

/** A server without the feature takes the address for an index, or has no handler for it. */
function isMissing({ status }: Reply): boolean {
  return status === 400 || status === 404 || status === 405
}

function unknown(of: string, reply: Reply): Finding {
  const advice = reply.status === 403 || reply.status === 401 ? ': grant the privilege monitor to see it' : ''
  return { of, state: 'note', says: `not to be seen (${reply.status}, ${reasonOf(reply)})${advice}` }
}
