/** What proxies were asked for, against tshark, connection by connection, over the capture of three proxies. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { toldOf } from '../track/recorded.ts'
import { TSHARK_VERSION } from './tshark.ts'

const CAPTURE = join(import.meta.dirname, '../captures/socks/proxies.pcap')
const PORTS = [1081, 1082, 1083]
const COMMANDS = ['', 'connect', 'bind', 'udp_associate']
const METHODS = ['none', 'gssapi', 'password']
const REPLIES: Readonly<Record<string, readonly string[]>> = {
  4: ['succeeded', 'rejected'],
  5: ['succeeded', 'general_failure', 'not_allowed', 'network_unreachable', 'host_unreachable', 'connection_refused'],
}
const FIELDS = [
  'tcp.srcport',
  'tcp.dstport',
  'socks.version',
  'socks.command',
  'socks.dst',
  'socks.dstV6',
  'socks.remote_name',
  'socks.v4a_dns_name',
  'socks.dstport',
  'socks.port',
  'socks.username',
  'socks.auth_accepted_method',
  'socks.auth_status',
  'socks.results',
]

/** The first request, login and answer of each connection, by its ports; tshark repeats them with what follows. */
function theirs(): Map<string, Record<string, string>> {
  const { stdout } = spawnSync(
    'tshark',
    ['-n', '-r', CAPTURE, '-Y', 'socks && tcp', '-T', 'fields', '-E', 'separator=\x1f']
      .concat(PORTS.flatMap((port) => ['-d', `tcp.port==${port},socks`]))
      .concat(FIELDS.flatMap((field) => ['-e', field])),
    { encoding: 'utf8' },
  )
  const connections = new Map<string, Record<string, string>>()
  for (const line of stdout.split('\n').filter((line) => line !== '')) {
    const packet = Object.fromEntries(line.split('\x1f').map((value, i) => [FIELDS[i], value]))
    const fromClient = PORTS.includes(Number(packet['tcp.dstport']))
    const ports = [packet['tcp.srcport'], packet['tcp.dstport']]
    const client = (fromClient ? ports : ports.reverse()).join(' to ')
    const known = connections.get(client) ?? { version: packet['socks.version'] }
    connections.set(client, known)
    if (packet['socks.username'] !== '') known['user'] ??= packet['socks.username']
    if (packet['socks.auth_accepted_method'] !== '') known['method'] ??= packet['socks.auth_accepted_method']
    if (packet['socks.auth_status'] !== '') known['status'] ??= packet['socks.auth_status']
    if (fromClient && packet['socks.command'] !== '' && known['command'] === undefined) {
      known['command'] = packet['socks.command']
      known['host'] =
        [packet['socks.v4a_dns_name'], packet['socks.remote_name'], packet['socks.dstV6'], packet['socks.dst']].find(
          (host) => host !== '',
        ) ?? ''
      known['port'] = packet['socks.dstport'] || packet['socks.port']
      if (packet['socks.v4a_dns_name'] !== '') known['version'] = '4a'
    }
    if (!fromClient && packet['socks.results'] !== '') known['result'] ??= packet['socks.results']
  }
  return connections
}

function spelt(connection: Record<string, string>): string {
  const { version, user = '', method, status, command, host = '', port = '', result } = connection
  const code = result === undefined ? undefined : Number(result) - (version === '5' ? 0 : 90)
  const reply = code === undefined ? '' : REPLIES[version.slice(0, 1)][code]
  const refused = status !== undefined && status !== '0' ? 'refused' : ''
  const chosen = method === undefined || method === '255' ? '' : METHODS[Number(method)]
  return [version, user, chosen, refused, COMMANDS[Number(command ?? 0)], host, port, reply].join('|')
}

if (TSHARK_VERSION === '') process.stderr.write('\nSKIPPED test/oracle/socks.test.ts: there is no tshark\n\n')

describe.skipIf(TSHARK_VERSION === '')('SOCKS', () => {
  it('is read as tshark reads it', async () => {
    const oracle = theirs()
    const ours = new Map(
      (await toldOf('socks/proxies.pcap'))
        .filter((event) => event['event.action'] === 'socks.requested')
        .map((event) => [
          `${event['source.port']} to ${event['destination.port']}`,
          [
            event['socks.version'],
            event['socks.authentication.user'],
            event['socks.authentication.method'],
            event['event.reason'] === 'authentication_refused' ? 'refused' : '',
            event['socks.command'],
            event['socks.request.host'],
            event['socks.request.port'],
            event['socks.reply'],
          ]
            .map((value) => value ?? '')
            .join('|'),
        ]),
    )
    expect(oracle.size).toBeGreaterThan(15)
    expect(Object.fromEntries(ours)).toEqual(
      Object.fromEntries([...oracle].map(([client, connection]) => [client, spelt(connection)])),
    )
  })
})
