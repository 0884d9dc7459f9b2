/**
 * What the shipped rules say about recorded traffic: benign captures raise nothing above `low`, and each attack raises what it
 * is called, once for each thing that it is about. The captures lie beside the project, or where BORESCOPE_CAPTURES says.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventsOfFile } from '../support/sensor.ts'
import { alertsOf } from './events.ts'

const FOLDER = resolve(
  process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures'),
  'lab',
)
const IS_PRESENT = existsSync(FOLDER)

if (!IS_PRESENT) {
  process.stderr.write(
    `\nSKIPPED test/rules/lab.test.ts: no captures at ${FOLDER}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

const BENIGN = [
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

/** Everything above `low`, as level, title and entity. */
const ATTACKS: Readonly<Record<string, readonly string[]>> = {
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

async function alertsAboveLow(capture: string): Promise<string[]> {
  const alerts = alertsOf(await eventsOfFile(join(FOLDER, `${capture}.pcap`)))
  return alerts
    .filter((alert) => Number(alert['event.severity']) > 21)
    .map(
      (alert) =>
        `${alert['rule.level']}: ${alert['rule.name']}: ${String(alert['alert.entity']).replace(/\bs-[0-9a-f]{12}\b/, 'SESSION')}`,
    )
    .sort()
}

describe.skipIf(!IS_PRESENT)('the shipped rules on recorded traffic', () => {
  it.each(BENIGN)('%s raises nothing above low', async (capture) => {
    expect(await alertsAboveLow(capture)).toEqual([])
  })

  it.each(Object.entries(ATTACKS))('%s raises what it is called', async (capture, expected) => {
    expect(await alertsAboveLow(capture)).toEqual(expected)
  })
})
