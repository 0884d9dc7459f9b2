/** The groups of threats that the rules are counted by, and which rule is of which. */
import type { SigmaHeader } from '../../src/detect/sigma/parse.ts'

export const GROUPS = {
  A: 'Reconnaissance and scanning',
  B: 'IKE: keys, credentials, strength',
  C: 'IKE: anomalies and exploits',
  D: 'L2TP control channel',
  E: 'PPP: authentication and negotiation',
  F: 'Adversary in the middle',
  G: 'ESP and NAT traversal',
  H: 'L2TPv3',
  I: 'Evasion, nesting, proxies',
  J: 'Habits and the inventory',
  K: 'Traffic inside',
  L: 'Threat intelligence',
} as const

export type Group = keyof typeof GROUPS

/** Rules about the sensor itself are in no group. */
const BY_FOLDER: Readonly<Record<string, Group | null>> = {
  access: 'E',
  behaviour: 'J',
  control: 'D',
  esp: 'G',
  ike: 'C',
  inner: 'K',
  intelligence: 'L',
  inventory: 'J',
  login: 'E',
  posture: 'B',
  sensor: null,
}

/** Files that are of another group than the rest of their folder. */
const BY_FILE: Readonly<Partial<Record<Group, readonly string[]>>> = {
  A: [
    'control/nmap-probe',
    'control/tunnel-request-sweep',
    'ike/backoff-fingerprint',
    'ike/group-name-enumeration',
    'ike/ike-scan-probe',
    'ike/mixed-reconnaissance',
    'ike/nmap-ike-version',
    'ike/nmap-probe',
    'ike/sweep',
    'ike/transform-enumeration',
    'ike/version-probe',
  ],
  B: [
    'ike/aggressive-mode-hash',
    'ike/downgrade',
    'ike/failures-from-many',
    'ike/group-steering',
    'ike/hash-harvesting',
    'ike/key-guessing',
    'ike/login-guessing',
    'ike/posture-worse',
    'ike/success-after-guessing',
  ],
  D: ['posture/l2tp-without-ipsec', 'posture/tunnel-without-authentication'],
  E: [
    'posture/no-ppp-authentication',
    'posture/pap-in-clear',
    'posture/pptp',
    'posture/weak-challenge-handshake',
    'posture/weak-mppe',
  ],
  F: [
    'access/pppoe-several',
    'control/same-name-other-face',
    'ike/certificate-seen',
    'ike/nat-flip',
    'ike/two-answers',
  ],
  H: [
    'control/cookie-guessing',
    'control/forged-control-digest',
    'control/session-zero',
    'posture/other-tunnel-protocol',
    'posture/pseudowire-without-cookie',
  ],
  I: [
    'control/fragment-attack',
    'control/fragment-flood',
    'control/fragment-tiny',
    'control/nested-too-deep',
    'inner/http-proxy',
    'inner/socks-pivot',
    'inner/socks-proxy',
    'inner/tcp-insertion',
    'inner/vpn-in-vpn',
    'posture/outbound-tunnel',
  ],
}

const FILES = new Map<string, Group>(
  Object.entries(BY_FILE).flatMap(([group, files]) => files.map((file) => [`${file}.yml`, group as Group] as const)),
)

/** Undefined for a folder that nobody has put into a group. */
export function groupOf({ file }: Pick<SigmaHeader, 'file'>): Group | null | undefined {
  return FILES.get(file) ?? BY_FOLDER[file.split('/')[0]]
}
