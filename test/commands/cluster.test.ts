/** The command line with a cluster as its store: every command says what it says with the embedded store. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LiveStores } from '../store/cluster/live.ts'
import { type KindName, unavailable } from '../support/servers/servers.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const CAPTURES = ['l2tp-bruteforce-mschapv2', 'l2tp-mschapv2', 'l2tp-inner-attack', 'ipsec-ikev2', 'pptp']
const KINDS = ['opensearch3', 'elasticsearch'] as const satisfies readonly KindName[]
const run = promisify(execFile)

/** A cluster also holds what the delivery into it says of itself. */
const CAPTURED = 'not event.action: sensor.health.reported'

/** Each is run on both stores; none of them shows where the store is. */
const COMMANDS: readonly (readonly string[])[] = [
  ['tunnels', '--json'],
  ['sessions', '--json'],
  ['users', '--json'],
  ['alerts', '--json'],
  ['alerts', '--level', 'medium'],
  ['tunnels', 'user.name: alice'],
  ['query', 'event.action: ppp.* and source.ip: 10.99.0.0/16', '--json'],
  [
    'query',
    'user.name: alice and event.action: flow.closed',
    '--fields',
    'destination.ip,network.bytes',
    '--sort',
    '-network.bytes',
  ],
  ['query', 'event.action: ppp.authentication.*', '--by', 'user.name,event.outcome'],
  ['query', CAPTURED, '--by', 'source.ip', '--sum', 'network.bytes', '--distinct', 'user.name', '--sort', '-sum'],
  ['query', CAPTURED, '--by', 'event.action', '--distinct', 'source.ip', '--sort', 'distinct', '--json'],
  ['query', 'failed or "logged in"', '--count'],
  ['query', CAPTURED, '--by', 'event.dataset,event.action', '--json'],
  ['query', CAPTURED, '--since', '2026-11-23', '--until', '2027-01-01', '--count'],
  ['query', CAPTURED, '--limit', '2000', '--json'],
]

for (const kind of KINDS) {
  describe.skipIf(await unavailable(kind))(`the command line with ${kind}`, () => {
    let stores: LiveStores
    let scratch: string
    let cluster: Record<string, string>

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'borescope-cluster-'))
      stores = await LiveStores.on(kind)
      const { origin, username, password } = new URL(stores.server.url)
      cluster = {
        BORESCOPE_STORE__KIND: stores.server.product,
        BORESCOPE_STORE__NODES: origin,
        BORESCOPE_STORE__NAMESPACE: stores.namespace(),
        ...(username === '' ? {} : { BORESCOPE_STORE__USERNAME: username, BORESCOPE_STORE__PASSWORD: password }),
      }
      const captures = CAPTURES.map((name) => join(ROOT, 'pcaps', `${name}.pcap`))
      for (const environment of [{}, cluster]) {
        await borescope(['replay', '--quiet', '--order', 'each', ...captures], environment)
      }
    })
    afterAll(async () => {
      await stores.remove()
      rmSync(scratch, { recursive: true })
    })

    async function borescope(args: readonly string[], environment: Record<string, string>): Promise<string> {
      const env = {
        PATH: process.env['PATH'],
        HOME: scratch,
        BORESCOPE_DELIVERY__HEALTH_SECONDS: '3600',
        ...environment,
      }
      const { stdout } = await run(join(ROOT, 'bin/borescope'), args, { cwd: scratch, env, maxBuffer: 2 ** 26 })
      return stdout
    }

    test.each(COMMANDS.map((args) => [args.join(' '), args] as const))('%s', async (_, args) => {
      const embedded = await borescope(args, {})
      expect(embedded.length).toBeGreaterThan(1)
      expect(await borescope(args, cluster)).toBe(embedded)
    })

    test('show', async () => {
      const [alert] = JSON.parse(await borescope(['alerts', '--json', '--limit', '1'], {}))
      const [tunnel] = JSON.parse(await borescope(['tunnels', '--json', '--limit', '1'], {}))
      for (const id of [
        alert.event.id,
        alert.event.id.slice(0, 12),
        tunnel.l2tp?.tunnel.uid ?? tunnel.esp.tunnel.uid,
      ]) {
        expect(await borescope(['show', id], cluster)).toBe(await borescope(['show', id], {}))
      }
    })

    test('doctor', async () => {
      const findings = JSON.parse(await borescope(['doctor', '--json'], cluster)) as {
        of: string
        state: string
        says: string
      }[]
      expect(findings.filter(({ state }) => state === 'wrong')).toEqual([])
      const says = Object.fromEntries(findings.map((finding) => [finding.of, finding.says]))
      expect(says['cluster']).toContain(stores.server.version)
      expect(says['store']).toMatch(/events/)
      expect(says['templates']).toMatch(/of version/)
    })
  })
}
