/** tshark as an oracle: its fields, packet by packet, in the order of the wire. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'

/** One field as tshark read it. */
export interface OracleField {
  readonly name: string
  /** Decoded, as text. */
  readonly show: string
  /** The octets, in hex digits; of a bit field its value. */
  readonly value: string
}

export interface OraclePacket {
  readonly number: number
  readonly fields: readonly OracleField[]
  /** Protocols in the order of the wire. */
  readonly protocols: readonly string[]
  readonly isMalformed: boolean
}

/** What is compared. Of other protocols tshark tells no more than that they are there. */
const PROTOCOLS = [
  'eth',
  'vlan',
  'ieee8021ad',
  'sll',
  'pppoes',
  'pppoed',
  'mpls',
  'ip',
  'ipv6',
  'udp',
  'tcp',
  'icmp',
  'icmpv6',
  'gre',
  'esp',
  'ah',
  'pptp',
  'l2tp',
  'ppp',
  'lcp',
  'ipcp',
  'ipv6cp',
  'ccp',
  'pap',
  'chap',
  'eap',
  'cbcp',
  'bacp',
  'bap',
  'mp',
  'mplscp',
  'osinlcp',
  'cdpcp',
  'bcp_ncp',
  'bcp_bpdu',
  'ecp',
  'lqr',
  'ipxcp',
  'nbfcp',
  'atcp',
  'vjc',
  'fr',
  'chdlc',
]

/** tshark keeps state in other protocols too; off, so that a field is what the packet holds and nothing else. */
const PREFERENCES = [
  'ip.check_checksum:FALSE',
  'udp.check_checksum:FALSE',
  'tcp.check_checksum:FALSE',
  'tcp.desegment_tcp_streams:FALSE',
  'tcp.analyze_sequence_numbers:FALSE',
]

export const TSHARK_VERSION = spawnSync('tshark', ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0] ?? ''

/** The packets of a capture in which tshark sees L2TP, PPP or what else carries it, by number, among the first `packetsMax`. */
export async function askTshark(
  path: string,
  packetsMax: number,
  options: readonly string[] = [],
): Promise<Map<number, OraclePacket>> {
  const preferences = PREFERENCES.flatMap((preference) => ['-o', preference])
  const child = spawn(
    'tshark',
    [
      '-n',
      '-r',
      path,
      '-c',
      String(packetsMax),
      '-Y',
      'l2tp || ppp || pptp || pppoed || gre.proto in {0x0800, 0x86dd, 0x6558, 0x880b}',
      '-T',
      'pdml',
      '-J',
      PROTOCOLS.join(' '),
      ...preferences,
      ...options,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const packets = new Map<number, OraclePacket>()
  let fields: OracleField[] = []
  let protocols: string[] = []
  let number = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const trimmed = line.trimStart()
    if (trimmed.startsWith('<field')) {
      const name = attribute(trimmed, 'name')
      if (name === 'num') number = Number(attribute(trimmed, 'show'))
      else if (!trimmed.includes(' hide="yes"'))
        fields.push({ name, show: attribute(trimmed, 'show'), value: attribute(trimmed, 'value') })
    } else if (trimmed.startsWith('<proto')) protocols.push(attribute(trimmed, 'name'))
    else if (trimmed.startsWith('<packet')) {
      fields = []
      protocols = []
    } else if (trimmed.startsWith('</packet'))
      packets.set(number, { number, fields, protocols, isMalformed: protocols.includes('_ws.malformed') })
  }
  return packets
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#x27;': "'",
}

function attribute(line: string, name: string): string {
  const at = line.indexOf(` ${name}="`)
  if (at === -1) return ''
  const start = at + name.length + 3
  return line.slice(start, line.indexOf('"', start)).replace(/&[a-z#0-9]+;/g, (entity) => ENTITIES[entity] ?? entity)
}
