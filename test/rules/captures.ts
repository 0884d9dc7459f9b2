/**
 * Recorded captures and what the shipped rules have to say about them. The lab was recorded for this project, with the truth of each
 * capture beside it; the public ones are of other people. All lie beside the project, or where BORESCOPE_CAPTURES says.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { EventDocument } from '../../src/events/fields.ts'
import { replayEvents } from '../support/replay.ts'

export const CAPTURES = resolve(
  process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures'),
)
export const HAS_CAPTURES = existsSync(join(CAPTURES, 'lab')) && existsSync(join(CAPTURES, 'public'))

/** Traffic of everyday life: nothing above `low`. */
export const LAB_BENIGN = [
  'ipsec-cert',
  'ipsec-espnull',
  'ipsec-ikev2',
  'ipsec-psk-forceencaps',
  'ipsec-psk-main',
  'ipsec-psk-nat',
  'ipsec-rekey-dpd',
  'l2tp-chap',
  'l2tp-eapmd5',
  'l2tp-frag',
  'l2tp-inner',
  'l2tp-mppe',
  'l2tp-mschapv2',
  'l2tp-pap',
  'l2tp-pap-any',
  'l2tp-pppoe-lac',
  'l2tp-seq',
  'l2tp-userspace',
  'l2tpv3-static',
  'pptp',
  'softether-raw',
] as const

/** Attacks with what they are called, as level, title and entity: no more and no less, each once. */
export const LAB_ATTACKS: Readonly<Record<string, readonly string[]>> = {
  'ike-scan': [
    'high: IKE aggressive mode shows a hash of the pre-shared key: 10.99.0.1',
    'high: VPN group names being guessed: 10.99.0.66, 10.99.0.1',
    'medium: IKE algorithms being enumerated: 10.99.0.66, 10.99.0.1',
    'medium: IKE fingerprinting by the ike-version script of nmap: 10.99.0.66',
    'medium: IKE message without what it must hold: 10.99.0.66, 10.99.0.1',
    'medium: IKE probe of ike-scan: 10.99.0.66',
    'medium: IKE probe of nmap: 10.99.0.66',
  ],
  'ipsec-aggressive': ['high: IKE aggressive mode shows a hash of the pre-shared key: 10.99.0.1'],
  'ipsec-wrongpsk': [
    'high: IKE aggressive mode shows a hash of the pre-shared key: 10.99.0.1',
    'high: IKE key guessing: 10.99.0.66, 10.99.0.1',
  ],
  'l2tp-bruteforce-mschapv2': [
    'critical: VPN login succeeded after password guessing: 10.99.0.66, alice',
    'high: Password guessing against one VPN account: 10.99.0.66, alice',
  ],
  'l2tp-flood-real': [
    'high: L2TP tunnel request flood from one source: 10.99.0.66, 10.99.0.1',
    'medium: L2TP sessions come and go: 10.99.0.66, 10.99.0.1',
  ],
  'l2tp-inner-attack': [
    'critical: SSH login succeeded after guessing from a VPN session: SESSION, 192.168.42.10, 10.20.0.5',
    'high: Login guessing from inside a VPN session: SESSION, 192.168.42.10, 10.20.0.5, 22',
    'high: Port scan from inside a VPN session: SESSION, 192.168.42.10, 10.20.0.5',
    'high: Port scan from inside a VPN session: SESSION, 192.168.42.10, 10.20.0.6',
    'high: Upload after a scan from the same VPN session: SESSION, 192.168.42.10',
    'medium: Ping sweep from inside a VPN session: SESSION, 192.168.42.10',
  ],
  'l2tp-ipsec-downgrade': ['high: L2TP in clear after IPsec with the same server: 10.99.0.12, 10.99.0.1'],
  'l2tp-scan': [
    'high: Fuzzing or service probing of an L2TP server: 10.99.0.66, 10.99.0.1',
    'medium: IKE probe of ike-scan: 10.99.0.66',
    'medium: IKE probe of nmap: 10.99.0.66',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.avp_zero_id',
    'medium: L2TP probe of nmap: 10.99.0.66',
    'medium: Sweep for IKE gateways: 10.99.0.66',
    'medium: Sweep for L2TP servers: 10.99.0.66',
  ],
  'l2tp-tunnelauth': ['medium: L2TP tunnel authentication refused: 10.99.0.66, 10.99.0.1'],
  'synth-attacks': [
    'high: Forged L2TP teardown: 10.99.0.11, 10.99.0.1',
    'high: Fuzzing or service probing of an L2TP server: 10.99.0.66, 10.99.0.1',
    'high: Half-open L2TP tunnels pile up on a server: 10.99.0.1',
    'high: IKE flood against a gateway: 10.99.0.1',
    'high: IPsec packets being replayed: a-f714c3a43299, 10.99.0.66, 10.99.0.1',
    'high: L2TP attribute that attacks a parser: 10.99.0.66, 10.99.0.1, l2tp.avp_length',
    'high: L2TP attribute that attacks a parser: 10.99.0.66, 10.99.0.1, l2tp.avp_oversized',
    'high: L2TP attribute that attacks a parser: 10.99.0.66, 10.99.0.1, l2tp.avp_suspicious_text',
    'high: L2TP message into a tunnel from a host that is not its peer: 10.99.0.66, 10.99.0.1',
    'high: L2TP server used to reflect traffic: 10.99.0.66, 10.99.0.1',
    'high: L2TP session numbers being guessed: 10.99.0.11, 10.99.0.1',
    'high: L2TP tunnel request flood from many sources: 10.99.0.1',
    'high: L2TP tunnel request flood from one source: 10.99.0.66, 10.99.0.1',
    'high: Overlapping IP fragments: 10.99.0.66, 10.99.0.1',
    'high: SPIs being guessed: 10.99.0.66, 10.99.0.1',
    'medium: Hidden L2TP attribute that the secret does not open: 10.99.0.66, 10.99.0.1',
    'medium: IP fragments too small to be honest: 10.99.0.66, 10.99.0.1',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.avp_duplicate',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.avp_empty_text',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.avp_fixed_length',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.avp_no_vector',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.avp_order',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.avp_unknown_mandatory',
    'medium: L2TP attribute against the standard: 10.99.0.66, l2tp.message_unknown',
    'medium: Malformed IKE message: 10.99.0.1',
  ],
}

export interface PublicFinding {
  /** What in the capture deserves it. */
  readonly why: string
  readonly alerts: readonly string[]
}

const CRAFTED = 'messages made by hand to test a parser, without what they must hold'

/** Public captures that show what a rule is for. Every other one that is neither hostile nor fuzzed is benign. */
export const PUBLIC_FINDINGS: Readonly<Record<string, PublicFinding>> = {
  'encap/kaitoy__pcap4j__IpV6ExtFragmentPacketTest.pcap': {
    why: 'fragments made by hand to test a parser',
    alerts: ['medium: IP fragments too small to be honest: 2001:db8::3:2:1, 2001:db8::3:2:2'],
  },
  'esp-ah/realjimmy__sample-captures__ipsec_esp_capture_3--capture.pcap': {
    why: 'associations under SPIs that are reserved',
    alerts: ['190.0.0.2', '190.0.0.4', '190.0.0.5'].map((to) => `medium: Reserved SPI on the wire: 190.0.0.1, ${to}`),
  },
  'ikev1/arkime__arkime__ike-cert_synthetic.pcap': {
    why: CRAFTED,
    alerts: [
      'medium: IKE message without what it must hold: 172.16.0.50, 172.16.0.100',
      'medium: IKE message without what it must hold: 2001:db8::50, 2001:db8::100',
    ],
  },
  'ikev1/corelight__zeek-spicy-ipsec__ipsec-ikev1-isakmp-aggressive-mode.pcap': {
    why: 'aggressive mode with a pre-shared key',
    alerts: ['high: IKE aggressive mode shows a hash of the pre-shared key: 192.168.12.2'],
  },
  'ikev1/realjimmy__sample-captures__ipsec-ikev1-aggressive-mode.pcap': {
    why: 'aggressive mode with a pre-shared key',
    alerts: ['high: IKE aggressive mode shows a hash of the pre-shared key: 202.1.2.1'],
  },
  'ikev2/arkime__arkime__arkime_synthetic.pcap': {
    why: CRAFTED,
    alerts: [
      'medium: Forged IKE message: 10.0.90.2, 10.0.90.1',
      'medium: IKE message without what it must hold: 10.0.90.1, 10.0.90.2',
      'medium: IKE message without what it must hold: 10.0.90.2, 10.0.90.1',
      'medium: IKE message without what it must hold: 10.20.9.1, 10.20.9.100',
      'medium: Reserved SPI on the wire: 10.0.32.100, 10.0.32.1',
    ],
  },
  'ikev2/ntop__nDPI__ipsec_isakmp_esp.pcap': {
    why: 'a first message with all its flags set (packet 207), among those of a telephone',
    alerts: ['medium: IKE message in the shape of an exploit: 192.168.2.100, 109.237.187.131'],
  },
}

/** Folders of what was made to break or to find something. */
const HOSTILE = /^(malformed|robustness|scan)\//

/** Paths of public captures, with whether they are hostile or fuzzed: of those no alert is right or wrong. */
export function publicCaptures(): { readonly path: string; readonly isHostile: boolean }[] {
  const folder = join(CAPTURES, 'public')
  const [head, ...rows] = readFileSync(join(folder, 'MANIFEST.tsv'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  const fuzzed = new Set(
    rows.filter((row) => row[head.indexOf('provenance')] === 'fuzz').map((row) => row[head.indexOf('local_path')]),
  )
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile() && path !== 'MANIFEST.tsv' && !NOT_CAPTURES.has(path))
    .sort()
    .map((path) => ({ path, isHostile: HOSTILE.test(path) || fuzzed.has(path) }))
}

/** A trace of an Ascend router, which is text. */
const NOT_CAPTURES: ReadonlySet<string> = new Set(['container/realjimmy__sample-captures__ascend.trace.gz'])

export function labCaptures(): string[] {
  return readdirSync(join(CAPTURES, 'lab'))
    .filter((name) => name.endsWith('.pcap'))
    .map((name) => name.slice(0, -'.pcap'.length))
}

/** Alerts above `low` that the sensor with the shipped rules raises about a capture. */
export async function alertsAboveLow(path: string): Promise<EventDocument[]> {
  const events = await replayEvents(join(CAPTURES, path))
  return events.filter((event) => event['event.action'] === 'alert.raised' && Number(event['event.severity']) > 21)
}

/** As the labels name it: sessions have ids that follow from the file. */
export function label(alert: EventDocument): string {
  const entity = String(alert['alert.entity']).replace(/\bs-[0-9a-f]{12}\b/, 'SESSION')
  return `${alert['rule.level']}: ${alert['rule.name']}: ${entity}`
}
