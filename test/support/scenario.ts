/**
 * What a simulation is told, what the peers then play, and the truth against which a tracker is held.
 */
import * as craft from './craft.ts'
import type { Random } from './random.ts'

export const AUTHENTICATION_METHODS = ['pap', 'chap-md5', 'mschapv2', 'eap-md5'] as const
export type AuthenticationMethod = (typeof AUTHENTICATION_METHODS)[number]

export interface SimulationOptions {
  readonly seed?: number
  /** Each opens one tunnel to one of the servers. */
  readonly clients?: number
  readonly servers?: number
  readonly sessionsPerTunnel?: number
  readonly flowsPerSession?: number
  /** Probabilities that a packet is lost (half of them before the tap), sent twice, held back, or sent again seconds later. */
  readonly loss?: number
  readonly duplicate?: number
  readonly reorder?: number
  readonly replay?: number
  /** The probability that the tap misses a packet that its receiver gets. */
  readonly tapLoss?: number
  /** The mean time from peer to peer. */
  readonly delayUs?: number
  /** Sessions take turns with these. */
  readonly authentication?: readonly AuthenticationMethod[]
  /** Shares, 0 to 1. */
  readonly wrongPasswords?: number
  readonly outgoingCalls?: number
  readonly behindNat?: number
  readonly overIpv6?: number
  readonly withIpv6cp?: number
  /** Makes the ends of a tunnel authenticate each other. */
  readonly tunnelSecret?: string
  /** Hides the calling number of ICRQ (needs `tunnelSecret`). */
  readonly hiddenAvps?: boolean
  /** All sessions get the same inner address, as clients of different networks do. */
  readonly sameInnerAddress?: boolean
  readonly vlan?: number
  readonly startUs?: number
  /** The clients start at random times within it. */
  readonly spreadUs?: number
  readonly helloUs?: number
}

export type Settings = Required<Omit<SimulationOptions, 'tunnelSecret' | 'vlan'>> & {
  tunnelSecret: string | null
  vlan: number | null
}

export const DEFAULTS: Settings = {
  seed: 1,
  clients: 10,
  servers: 1,
  sessionsPerTunnel: 1,
  flowsPerSession: 3,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  replay: 0,
  tapLoss: 0,
  delayUs: 20_000,
  authentication: AUTHENTICATION_METHODS,
  wrongPasswords: 0,
  outgoingCalls: 0,
  behindNat: 0,
  overIpv6: 0,
  withIpv6cp: 0.3,
  tunnelSecret: null,
  hiddenAvps: false,
  sameInnerAddress: false,
  vlan: null,
  startUs: 1_760_000_000_000_000,
  spreadUs: 10_000_000,
  helloUs: 10_000_000,
}

// The truth

export interface Endpoint {
  readonly address: craft.IpAddress
  readonly port: number
}

/** As seen by the tap: duplicates, retransmissions and replays count. */
export interface Traffic {
  packets: number
  /** Whole Ethernet frames. */
  frameBytes: number
  /** For tunnels and sessions the PPP frames; for flows the inner IP packets. */
  innerBytes: number
}

export interface FlowTruth {
  readonly protocol: number
  readonly client: Endpoint
  readonly server: Endpoint
  readonly up: Traffic
  readonly down: Traffic
}

export interface SessionTruth {
  readonly clientSessionId: number
  readonly serverSessionId: number
  readonly isOutgoing: boolean
  readonly user: string
  readonly method: AuthenticationMethod
  readonly clientAddress: craft.IpAddress
  readonly hasIpv6cp: boolean
  /** Both ends completed the call. */
  established: boolean
  /** What the server decided; null if it never came to that. */
  authentication: 'success' | 'failure' | null
  /** Both ends opened the network protocols. */
  networkUp: boolean
  /** Whose CDN or StopCCN came first; null if the tunnel was given up. */
  closedBy: 'client' | 'server' | null
  /** Data messages; up is from the client to the server. */
  readonly up: Traffic
  readonly down: Traffic
  readonly flows: FlowTruth[]
}

export interface TunnelTruth {
  readonly client: Endpoint
  readonly server: Endpoint
  readonly clientTunnelId: number
  readonly serverTunnelId: number
  readonly hostName: string
  /** Both ends completed the three-way handshake. */
  established: boolean
  /** Who sent StopCCN; null if an end gave up. */
  closedBy: 'client' | 'server' | null
  /** Control and data messages, both directions. */
  readonly traffic: Traffic
  readonly sessions: SessionTruth[]
}

export interface Truth {
  readonly tunnels: readonly TunnelTruth[]
  /** What the network did, over all packets that the peers sent. */
  readonly network: {
    sent: number
    lost: number
    duplicated: number
    reordered: number
    replayed: number
    missedByTap: number
  }
}

export function noTraffic(): Traffic {
  return { packets: 0, frameBytes: 0, innerBytes: 0 }
}

// What both ends know from the start: the plan that they play

export interface CallPlan {
  readonly truth: SessionTruth
  readonly password: string
  readonly isPasswordRight: boolean
  readonly ppp: craft.PppFields
  readonly hasLength: boolean
  readonly hasSequence: boolean
  readonly hangsUp: Role
  /** Ends that have completed the call, and ends whose network protocols are open. */
  endsEstablished: number
  endsOpen: number
}

export interface TunnelPlan {
  readonly truth: TunnelTruth
  readonly calls: readonly CallPlan[]
  readonly stops: Role
  endsEstablished: number
}

export type Role = 'client' | 'server'

/** Numbers are drawn per peer, so two clients may choose the same tunnel number, as they do in the field. */
export function planTunnel(settings: Settings, random: Random, index: number): TunnelPlan {
  const isOverIpv6 = random.chance(settings.overIpv6)
  const isBehindNat = !isOverIpv6 && random.chance(settings.behindNat)
  const host = isBehindNat ? '203.0.113.254' : `198.18.${index >> 8}.${index & 0xff}`
  const server = 1 + (index % settings.servers)
  const sessionBase = random.below(0x8000)
  const calls = Array.from({ length: settings.sessionsPerTunnel }, (_, i) =>
    planCall(settings, random, index, i, sessionBase),
  )
  return {
    truth: {
      client: {
        address: isOverIpv6 ? `2001:db8::1:${index.toString(16)}` : host,
        port: isBehindNat ? 20_000 + index : craft.L2TP_PORT,
      },
      server: { address: isOverIpv6 ? `2001:db8::${server}` : `192.0.2.${server}`, port: craft.L2TP_PORT },
      clientTunnelId: 1 + random.below(0xffff),
      // A multiple of an odd number meets every 16-bit value once before it repeats.
      serverTunnelId: ((index + 1) * 40503) & 0xffff,
      hostName: `client-${index}.example`,
      established: false,
      closedBy: null,
      traffic: noTraffic(),
      sessions: calls.map((call) => call.truth),
    },
    calls,
    stops: random.chance(0.7) ? 'client' : 'server',
    endsEstablished: 0,
  }
}

function planCall(settings: Settings, random: Random, tunnel: number, index: number, sessionBase: number): CallPlan {
  const serial = tunnel * settings.sessionsPerTunnel + index
  const isPasswordRight = !random.chance(settings.wrongPasswords)
  const isCompressed = random.chance(0.4)
  return {
    truth: {
      clientSessionId: 1 + sessionBase + index,
      serverSessionId: 0xffff - sessionBase - index,
      isOutgoing: random.chance(settings.outgoingCalls),
      user: `user${serial}@example.com`,
      method: settings.authentication[serial % settings.authentication.length],
      clientAddress: settings.sameInnerAddress
        ? '192.168.1.10'
        : `10.${1 + (serial >> 16)}.${(serial >> 8) & 0xff}.${serial & 0xff}`,
      hasIpv6cp: random.chance(settings.withIpv6cp),
      established: false,
      authentication: null,
      networkUp: false,
      closedBy: null,
      up: noTraffic(),
      down: noTraffic(),
      flows: [],
    },
    password: isPasswordRight ? `secret-${serial}` : 'guess',
    isPasswordRight,
    ppp: { addressControl: !isCompressed, shortProtocol: isCompressed && random.chance(0.3) },
    hasLength: random.chance(0.2),
    hasSequence: random.chance(0.1),
    hangsUp: random.chance(0.7) ? 'client' : 'server',
    endsEstablished: 0,
    endsOpen: 0,
  }
}
