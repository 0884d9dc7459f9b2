/**
 * How long events stay: by the data stream life cycle or an ILM policy of Elasticsearch, by an ISM policy of OpenSearch.
 * A server that has none of them keeps everything; `examine.ts` says so.
 */
import type { estypes } from '@elastic/elasticsearch'
import type { Action, Policy, States, Transition } from '@opensearch-project/opensearch/api/_types/ism._common.d.ts'
import { ask, type ClusterClient, refusal } from './client.ts'

export interface Lifecycle {
  /** A write index is closed off after these days, or when its primary shard has grown so large. */
  readonly rolloverDays: number
  readonly rolloverBytes: number
  /** Days until an index is moved to warm nodes; 0 never. */
  readonly warmAfterDays: number
  /** Days until an index is deleted; 0 never. */
  readonly deleteAfterDays: number
}

export type LifecycleKind = 'stream' | 'ilm' | 'ism' | 'none'

export const POLICY = 'borescope'

/** Which of them this server has, and this life cycle needs. */
export async function lifecycleKind(client: ClusterClient, lifecycle: Lifecycle): Promise<LifecycleKind> {
  const has = async (path: string) => {
    const { status } = await client.request({ method: 'GET', path })
    // Without the privilege to look it is there all the same; without the plugin there is no such address.
    return status === 200 || status === 403 || status === 404
  }
  if (client.product === 'opensearch') return (await has(`/_plugins/_ism/policies/${POLICY}`)) ? 'ism' : 'none'
  if (lifecycle.warmAfterDays > 0 && (await has(`/_ilm/policy/${POLICY}`))) return 'ilm'
  return (await has('/_data_stream/logs-borescope.none/_lifecycle')) ? 'stream' : 'none'
}

/** What index templates say of it. */
export function lifecycleTemplate(
  kind: LifecycleKind,
  lifecycle: Lifecycle,
): { settings: object; template: { lifecycle?: object } } {
  const settings = kind === 'ilm' ? { 'lifecycle.name': POLICY } : {}
  if (kind !== 'stream') return { settings, template: {} }
  const { deleteAfterDays } = lifecycle
  const lasting = deleteAfterDays === 0 ? {} : { data_retention: `${deleteAfterDays}d` }
  return { settings, template: { lifecycle: { enabled: true, ...lasting } } }
}

/** Creates or updates the policy of ILM or ISM. */
export async function installPolicy(
  client: ClusterClient,
  kind: LifecycleKind,
  lifecycle: Lifecycle,
  patterns: readonly string[],
): Promise<void> {
  if (kind === 'ilm') {
    const path = `/_ilm/policy/${POLICY}`
    await ask(client, { method: 'PUT', path, body: ilmPolicy(lifecycle) })
  }
  if (kind === 'ism') await installIsm(client, lifecycle, patterns)
}

/** The type is made by Elastic from the specification of its API. */
function ilmPolicy({ rolloverDays, rolloverBytes, warmAfterDays, deleteAfterDays }: Lifecycle): object {
  const phases: estypes.IlmPhases = {
    hot: { actions: { rollover: { max_age: `${rolloverDays}d`, max_primary_shard_size: `${rolloverBytes}b` } } },
  }
  if (warmAfterDays !== 0) {
    phases.warm = { min_age: `${warmAfterDays}d`, actions: { forcemerge: { max_num_segments: 1 } } }
  }
  if (deleteAfterDays !== 0) phases.delete = { min_age: `${deleteAfterDays}d`, actions: { delete: {} } }
  return { policy: { _meta: { managed_by: 'borescope' }, phases } satisfies estypes.IlmPolicy }
}

interface IsmReply {
  readonly _seq_no: number
  readonly _primary_term: number
  readonly policy: { readonly description: string }
}

/** An ISM policy takes hold of indices that are made after it; those that are there keep the one that they have. */
async function installIsm(client: ClusterClient, lifecycle: Lifecycle, patterns: readonly string[]): Promise<void> {
  const path = `/_plugins/_ism/policies/${POLICY}`
  const policy = ismPolicy(lifecycle, patterns)
  const call = { method: 'GET', path } as const
  const present = await client.request(call)
  if (present.status === 404) {
    await ask(client, { method: 'PUT', path, body: { policy } })
    return
  }
  if (present.status !== 200) throw refusal(client, call, present)
  const found = present.body as IsmReply
  if (found.policy.description === policy.description) return
  const query = { if_seq_no: found._seq_no, if_primary_term: found._primary_term }
  await ask(client, { method: 'PUT', path, query, body: { policy } })
}

/**
 * The description tells apart what differs: a policy that is read back has many more keys. The types are made by OpenSearch
 * from the specification of its API.
 */
function ismPolicy(lifecycle: Lifecycle, patterns: readonly string[]): Policy {
  const { rolloverDays, rolloverBytes, warmAfterDays, deleteAfterDays } = lifecycle
  const after = (state: string, days: number): Transition => ({
    state_name: state,
    conditions: { min_rollover_age: `${days}d` },
  })
  const deletion = deleteAfterDays === 0 ? [] : [after('delete', deleteAfterDays)]
  const rollover: Action = {
    rollover: { min_index_age: `${rolloverDays}d`, min_primary_shard_size: `${rolloverBytes}b` },
  }
  const hot: States = {
    name: 'hot',
    actions: [rollover],
    transitions: warmAfterDays === 0 ? deletion : [after('warm', warmAfterDays)],
  }
  const warm: States = {
    name: 'warm',
    actions: [{ allocation: { require: { temp: 'warm' } } }, { force_merge: { max_num_segments: 1 } }],
    transitions: deletion,
  }
  const end: States = { name: 'delete', actions: [{ delete: {} }], transitions: [] }
  return {
    description: `Borescope: ${JSON.stringify(lifecycle)} ${patterns.join(' ')}`,
    default_state: 'hot',
    states: [hot, ...(warmAfterDays === 0 ? [] : [warm]), ...(deleteAfterDays === 0 ? [] : [end])],
    ism_template: [{ index_patterns: [...patterns], priority: 100 }],
  }
}
