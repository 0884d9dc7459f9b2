/** `borescope doctor`: whether everything that Borescope needs is there and right. */
import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { openSink } from '../alerting.ts'
import { secretsOfSinks } from '../alert-config.ts'
import { ConfigError, loadEspKeys, loadPacketSecrets, openFiles } from '../config.ts'
import { elasticsearchClient } from '../store/cluster/elasticsearch.ts'
import { examineCluster, type Finding } from '../store/cluster/examine.ts'
import { openSearchClient } from '../store/cluster/opensearch.ts'
import { VERSION } from '../version.ts'
import { type Context, EXIT } from './context.ts'
import { examineDeliveries } from './doctor-delivery.ts'
import { bytes, counted, number, paint, print, when } from './terminal.ts'

export function registerDoctor(program: Command, context: () => Context): void {
  program
    .command('doctor')
    .summary('check the installation, the configuration, the rules, the store and what waits for it')
    .description(
      'Checks what Borescope needs and says what to do where something is wrong. Exits with 2 if something is.',
    )
    .option('--json', 'one JSON array')
    .action(async ({ json }: { json?: boolean }) => {
      const findings = await examine(context())
      if (json) await print(JSON.stringify(findings, null, 2))
      else {
        const marks = { fine: paint('green', 'ok   '), note: paint('cyan', 'note '), wrong: paint('red', 'wrong') }
        await print(findings.map(({ of, state, says }) => `${marks[state]}  ${of.padEnd(14)}  ${says}`).join('\n'))
      }
      if (findings.some(({ state }) => state === 'wrong')) process.exitCode = EXIT.USAGE
    })
}

async function examine(context: Context): Promise<Finding[]> {
  return [
    version(),
    configuration(context),
    ...secrets(context),
    ...keys(context),
    rules(context),
    ...(await store(context)),
    ...examineDeliveries(context.config),
    ...sinks(context),
  ]
}

function version(): Finding {
  return {
    of: 'borescope',
    state: 'fine',
    says: `${VERSION} on Node.js ${process.versions.node}, ${process.platform} ${process.arch}`,
  }
}

function configuration({ configFile, config }: Context): Finding {
  const { l2tp, ppp } = config.secrets
  const says = [
    configFile ?? 'defaults, no configuration file',
    l2tp.length === 0 ? 'no shared secrets: hidden AVPs stay hidden' : counted(l2tp.length, 'shared secret'),
    ppp.length === 0 ? 'no passwords of users: MPPE stays closed' : counted(ppp.length, 'password'),
  ].join('; ')
  return { of: 'configuration', state: 'fine', says }
}

/** Whether secrets that stand elsewhere can be read, and by nobody else; those of sinks and the store are read there. */
function secrets({ config }: Context): Finding[] {
  const of = 'secrets'
  const { l2tp, ppp } = config.secrets
  const { store, dashboards, alerts } = config
  const connections = [store.password, store.apiKey, dashboards.password, dashboards.apiKey]
  const users = ppp.flatMap(({ password = [], ntHash = [] }) => [password, ntHash].flat())
  const open = openFiles([...l2tp, ...users, ...connections, ...secretsOfSinks(alerts)])
  const findings: Finding[] = open.map((says) => ({ of, state: 'wrong', says }))
  try {
    loadPacketSecrets(config, process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    findings.push({ of, state: 'wrong', says: error.message })
  }
  return findings
}

function keys({ config }: Context): Finding[] {
  if (config.secrets.espKeys === '') return []
  try {
    const { entries, warnings } = loadEspKeys(config)
    const says = warnings.length > 0 ? warnings.join('; ') : `of ${entries.length} SAs in ${config.secrets.espKeys}`
    return [{ of: 'ESP keys', state: warnings.length > 0 ? 'wrong' : 'fine', says }]
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [{ of: 'ESP keys', state: 'wrong', says: error.message }]
  }
}

function rules(context: Context): Finding {
  const { set, folders } = context.rules()
  const wrong = set.problems.filter(({ severity }) => severity === 'error').length
  if (wrong > 0)
    return {
      of: 'rules',
      state: 'wrong',
      says: `${wrong} problems in ${folders.join(', ')}: see 'borescope rules check'`,
    }
  return {
    of: 'rules',
    state: 'fine',
    says: `${set.rules.length + set.correlations.length} rules from ${folders.join(', ') || 'no folder'}`,
  }
}

async function store(context: Context): Promise<Finding[]> {
  return context.config.store.kind === 'embedded' ? [await embedded(context)] : await cluster(context)
}

async function cluster(context: Context): Promise<Finding[]> {
  try {
    const options = context.clusterOptions()
    const { kind } = context.config.store
    const client = await (kind === 'opensearch' ? openSearchClient : elasticsearchClient)(options.connection)
    try {
      const findings = await examineCluster(client, options)
      const isReached = findings[0]?.state === 'fine'
      return isReached ? [...findings, await content(context, options.connection.nodes.join(', '))] : findings
    } finally {
      await client.close()
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [{ of: 'cluster', state: 'wrong', says: error.message }]
  }
}

async function embedded(context: Context): Promise<Finding> {
  const path = resolve(context.config.store.path)
  if (!existsSync(path))
    return {
      of: 'store',
      state: writable(path) ? 'note' : 'wrong',
      says: `${path} ${writable(path) ? 'does not exist yet: replay makes it' : 'cannot be made: its folder is not writable'}`,
    }
  return content(context, path)
}

/** What the store holds. */
async function content(context: Context, name: string): Promise<Finding> {
  try {
    const opened = await context.openStore()
    const { events, bytesOnDisk, oldest, newest } = await opened.stats()
    await opened.close()
    const span = oldest === null || newest === null ? '' : `, ${when(oldest)} to ${when(newest)}`
    return { of: 'store', state: 'fine', says: `${name}: ${number(events)} events, ${bytes(bytesOnDisk)}${span}` }
  } catch (error) {
    return { of: 'store', state: 'wrong', says: error instanceof Error ? error.message : String(error) }
  }
}

/** Whether what the sinks of alerts need can be read; whether a peer listens, `borescope alert test` finds out. */
function sinks({ config }: Context): Finding[] {
  const names = Object.keys(config.alerts.sinks)
  const problems = names.flatMap((name) => {
    try {
      openSink(config, name, process.env)
      return []
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return [error.message]
    }
  })
  if (names.length === 0) return []
  if (problems.length > 0) return [{ of: 'alerts', state: 'wrong', says: problems.join('; ') }]
  return [{ of: 'alerts', state: 'fine', says: `${counted(names.length, 'sink')}: ${names.join(', ')}` }]
}

/** Whether the nearest folder above the path that exists can be written to. */
function writable(path: string): boolean {
  let folder = dirname(path)
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
