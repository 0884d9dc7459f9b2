/** What really ran through the tunnels of a capture, packet by packet, as tshark reads it: in clear, or with the keys. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** What a packet was for. A user's traffic is named by the application, and that by the port. */
export type Purpose =
  | 'SCCRQ'
  | 'SCCRP'
  | 'SCCCN'
  | 'StopCCN'
  | 'HELLO'
  | 'ICRQ'
  | 'ICRP'
  | 'ICCN'
  | 'CDN'
  | 'ZLB'
  | 'control'
  | 'echo'
  | 'lcp'
  | 'authentication'
  | 'authenticated'
  | 'refused'
  | 'ncp'
  | 'ping'
  | 'voice'
  | 'typing'
  | 'web'
  | 'bulk'
  | 'beacon'
  | 'background'
  | 'other'

export interface TruthPacket {
  readonly timeUs: number
  readonly from: string
  readonly to: string
  /** Of an ESP packet; 0 in clear. */
  readonly spi: string
  /** SPI to ICV; 0 in clear. */
  readonly espLength: number
  /** What the ESP packet carries, or would carry: UDP header and payload. */
  readonly innerLength: number
  readonly purpose: Purpose
}

interface KeyFile {
  readonly esp: readonly {
    readonly spi: string
    readonly enc: string
    readonly ekey: string
    readonly auth: string
    readonly abits?: string
    readonly akey?: string
  }[]
}

const ENCRYPTION: Readonly<Record<string, string>> = {
  'cbc(aes)': 'AES-CBC [RFC3602]',
  'cbc(des3_ede)': 'TripleDES-CBC [RFC2451]',
  'ecb(cipher_null)': 'NULL',
  'rfc3686(ctr(aes))': 'AES-CTR [RFC3686]',
  'rfc4106(gcm(aes))': 'AES-GCM with 16 octet ICV [RFC4106]',
}
const AUTHENTICATION: Readonly<Record<string, string>> = {
  'hmac(md5) 96': 'HMAC-MD5-96 [RFC2403]',
  'hmac(sha1) 96': 'HMAC-SHA-1-96 [RFC2404]',
  'hmac(sha256) 128': 'HMAC-SHA-256-128 [RFC4868]',
  'hmac(sha384) 192': 'HMAC-SHA-384-192 [RFC4868]',
  'hmac(sha512) 256': 'HMAC-SHA-512-256 [RFC4868]',
}
const FIELDS = [
  'frame.time_epoch',
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.len',
  'udp.length',
  'esp.spi',
  'l2tp.type',
  'l2tp.avp.message_type',
  'ppp.protocol',
  'ppp.code',
  'chap.code',
  'pap.code',
  'eap.code',
  'icmp.type',
  'icmpv6.type',
  'tcp.port',
  'udp.port',
] as const
type Field = (typeof FIELDS)[number]

const MESSAGES: Readonly<Record<string, Purpose>> = {
  1: 'SCCRQ',
  2: 'SCCRP',
  3: 'SCCCN',
  4: 'StopCCN',
  6: 'HELLO',
  10: 'ICRQ',
  11: 'ICRP',
  12: 'ICCN',
  14: 'CDN',
}
const PORTS: Readonly<Record<string, Purpose>> = {
  22: 'typing',
  53: 'web',
  80: 'web',
  443: 'web',
  445: 'bulk',
  5201: 'bulk',
  9999: 'beacon',
  16384: 'voice',
}

const FILTERS = { tunnels: 'esp || l2tp', other: 'ip && !esp && !l2tp && !isakmp || l2tp && ppp' } as const

export const hasTshark = spawnSync('tshark', ['--version']).status === 0

/**
 * The L2TP packets of a capture, and every packet of its ESP associations. `keys` is the path of a key file. With `other` instead
 * all packets but those, and the packets inside L2TP: what they carry is their IP payload, as if ESP carried that.
 */
export function readTruth(
  path: string,
  keys: string | null = keysOf(path),
  wanted: keyof typeof FILTERS = 'tunnels',
): TruthPacket[] {
  const preferences = ['esp.enable_encryption_decode:TRUE', ...(keys === null ? [] : associations(keys))]
  const { stdout } = spawnSync(
    'tshark',
    [
      ...['-n', '-r', path, '-Y', FILTERS[wanted], '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=|'],
      ...preferences.flatMap((preference) => ['-o', preference]),
      ...FIELDS.flatMap((field) => ['-e', field]),
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(wanted === 'other' ? otherOf : truthOf)
    .filter(({ innerLength, espLength }) => innerLength > 0 || espLength > 0)
}

/** The key file beside a capture. */
export function keysOf(path: string): string | null {
  const beside = path.replace(/\.pcap$/, '.keys.json')
  return existsSync(beside) ? beside : null
}

function associations(keys: string): string[] {
  const { esp } = JSON.parse(readFileSync(keys, 'utf8')) as KeyFile
  return esp.map(({ spi, enc, ekey, auth, abits = '96', akey = '' }) => {
    const integrity = AUTHENTICATION[`${auth} ${abits}`]
    const checked = integrity === undefined ? '"NULL",""' : `"${integrity}","${akey}"`
    return `uat:esp_sa:"IPv4","*","*","${spi}","${ENCRYPTION[enc]}","${ekey}",${checked}`
  })
}

function truthOf(line: string): TruthPacket {
  const columns = line.split('\t')
  const all = (field: Field): string[] =>
    (columns[FIELDS.indexOf(field)] ?? '').split('|').filter((text) => text !== '')
  const spi = all('esp.spi')[0] ?? ''
  const isNative = all('ip.proto')[0] === '50'
  const udpLengths = all('udp.length').map(Number)
  const outerLength = isNative ? Number(all('ip.len')[0]) - 20 : udpLengths[0] - 8
  return {
    timeUs: Math.round(Number(columns[0]) * 1e6),
    from: all('ip.src')[0] ?? '',
    to: all('ip.dst')[0] ?? '',
    spi,
    espLength: spi === '' ? 0 : outerLength,
    innerLength: (spi === '' || isNative ? udpLengths[0] : udpLengths[1]) ?? 0,
    purpose: purposeOf(all),
  }
}

/** The innermost IP packet. */
function otherOf(line: string): TruthPacket {
  const columns = line.split('\t')
  const last = (field: Field): string => (columns[FIELDS.indexOf(field)] ?? '').split('|').at(-1) ?? ''
  return {
    timeUs: Math.round(Number(columns[0]) * 1e6),
    from: last('ip.src'),
    to: last('ip.dst'),
    spi: '',
    espLength: 0,
    innerLength: Math.max(0, Number(last('ip.len')) - 20),
    purpose: 'other',
  }
}

function purposeOf(all: (field: Field) => string[]): Purpose {
  const [type] = all('l2tp.type')
  if (type === undefined) return 'other'
  if (type === '1') {
    const [message] = all('l2tp.avp.message_type')
    return message === undefined ? 'ZLB' : (MESSAGES[message] ?? 'control')
  }
  const [protocol] = all('ppp.protocol')
  const [code] = all('ppp.code')
  switch (Number(protocol)) {
    case 0xc021:
      return code === '9' || code === '10' ? 'echo' : 'lcp'
    case 0xc223:
      return verdict(all('chap.code')[0])
    case 0xc227:
      return verdict(all('eap.code')[0])
    case 0xc023:
      return ({ 2: 'authenticated', 3: 'refused' }[all('pap.code')[0]] as Purpose | undefined) ?? 'authentication'
    case 0x8021:
    case 0x8057:
    case 0x80fd:
      return 'ncp'
  }
  const icmp6 = all('icmpv6.type')[0]
  if (icmp6 !== undefined) return icmp6 === '128' || icmp6 === '129' ? 'ping' : 'background'
  if (all('icmp.type')[0] !== undefined) return all('icmp.type')[0] === '3' ? 'background' : 'ping'
  const ports = [...all('tcp.port'), ...all('udp.port').filter((port) => port !== '1701' && port !== '4500')]
  return ports.map((port) => PORTS[port]).find((purpose) => purpose !== undefined) ?? 'other'
}

function verdict(code: string | undefined): Purpose {
  return code === '3' ? 'authenticated' : code === '4' ? 'refused' : 'authentication'
}
