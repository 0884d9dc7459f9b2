/** A PPP link as a record: what both ends agreed, and who logged in. */
import type { VjDecompressor } from '../wire/vj.ts'
import type { MppeLink } from './mppe-link.ts'
import type { LinkKeys, Proof } from './ppp-proof.ts'
import type { Role } from './role.ts'

export const PHASES = ['establish', 'authenticate', 'network', 'terminated'] as const
type Phase = (typeof PHASES)[number]

/** What one end asked for and the other acknowledged. */
export interface Agreed {
  lcp: boolean
  ipcp: boolean
  ipv6cp: boolean
  ccp: boolean
  mru: number | undefined
  address: string | undefined
  interfaceId: string | undefined
  dns: readonly string[]
  nbns: readonly string[]
  /** Protocol by which this end wants the other to log in, and CHAP's algorithm. */
  authProtocol: number
  chapAlgorithm: number | undefined
  /** Of multilink (RFC 1990): it wants the numbers of fragments short, and names itself, in hexadecimal digits. */
  isShortSequence: boolean
  endpoint: string | undefined
}

/** An end that logs in. */
export interface Login {
  user: string | undefined
  server: string | undefined
  method: string | undefined
  attempts: number
  /** Of the last answer: its identifier, which the verdict repeats (-1 before one), a digest, and whether there was a verdict. */
  identifier: number
  digest: number
  isJudged: boolean
  outcome: 'succeeded' | 'failed' | undefined
  /** The name that the last success was told of. */
  told: string | undefined
  /** What is to be answered, in hexadecimal digits. */
  challenge: string | undefined
  /** A digest of the last challenge of CHAP; 0 before one. */
  challengeDigest: number
  /** The last answer against the passwords that the operator gave; null if there is none of this user. */
  proof: Proof | null
  /** By MS-CHAPv2: how the server proved itself, in hexadecimal digits. */
  serverAnswer: string | undefined
}

/** Links over which multilink spreads frames. */
export interface Bundle {
  /** Stands for it where a name would be long: the peers choose parts of it. */
  readonly number: number
  readonly name: string
  /** The key of the carrier that its packets are told of, -1 until the next one comes. */
  first: number
  links: number
}

/** An empty list, the same one everywhere. */
export const NONE: readonly never[] = []

/** Protocols remembered of one link: an attacker may send 65,536. */
const PROTOCOLS_MAX = 64

/**
 * Thousands may be negotiated at one time: what most of them do not have is made when it comes, and lists hold no room to grow
 * (`concat` makes none, where a spread does).
 */
export class PppLink {
  phase: Phase = 'establish'
  readonly agreed: readonly [Agreed, Agreed] = [newAgreed(), newAgreed()]
  /** Of the ends that had a part in a login. */
  #first: Login | null = null
  #second: Login | null = null
  compression: readonly string[] = NONE
  mppeBits: number | undefined
  isStateless: boolean | undefined
  /** Once CCP agreed on MPPE or MPPC. */
  mppe: MppeLink | null = null
  /** Of the last login whose password is known. */
  keys: LinkKeys | null = null
  /** The end that asked for that login. */
  server: Role = 1
  protocols: readonly number[] = NONE
  encrypted = 0
  isOpenTold = false
  terminatedBy: Role | undefined
  terminationReason: string | undefined
  /** Of each sender, when one compresses TCP headers. */
  vj: [VjDecompressor | undefined, VjDecompressor | undefined] | null = null
  /** The bundle that its multilink frames belong to, once there is one. */
  bundle: Bundle | undefined

  /** What is known of the login of an end; empty, and not to be written to, if there is none. */
  loginOf(role: Role): Readonly<Login> {
    return (role === 0 ? this.#first : this.#second) ?? NO_LOGIN
  }

  /** The login of an end, to be written to. */
  login(role: Role): Login {
    if (role === 0) {
      this.#first ??= newLogin()
      return this.#first
    }
    this.#second ??= newLogin()
    return this.#second
  }

  /** The end that logs in: the one that answered, or was told to answer. */
  get client(): Role {
    const first = this.loginOf(0)
    const second = this.loginOf(1)
    if (first.attempts !== second.attempts) return first.attempts > second.attempts ? 0 : 1
    if (this.agreed[0].authProtocol !== 0 && this.agreed[1].authProtocol === 0) return 1
    return 0
  }

  /** Whether all that is known of it finds room in a packed link. */
  get isPlain(): boolean {
    const isSecret = ({ challenge, proof, serverAnswer }: Login) =>
      challenge !== undefined || proof !== null || serverAnswer !== undefined
    return (
      this.mppe === null &&
      this.keys === null &&
      this.vj === null &&
      this.bundle === undefined &&
      !isSecret(this.loginOf(0)) &&
      !isSecret(this.loginOf(1))
    )
  }

  noteProtocol(protocol: number): void {
    if (this.protocols.includes(protocol) || this.protocols.length >= PROTOCOLS_MAX) return
    this.protocols = this.protocols.concat(protocol)
  }

  noteCompression(name: string): void {
    if (!this.compression.includes(name)) this.compression = this.compression.concat(name)
  }

  /** LCP was agreed anew after the link had ended: the peers start over. */
  renew(): void {
    this.phase = 'establish'
    for (const agreed of this.agreed) {
      const { lcp, mru, authProtocol, chapAlgorithm, isShortSequence, endpoint } = agreed
      Object.assign(agreed, newAgreed(), { lcp, mru, authProtocol, chapAlgorithm, isShortSequence, endpoint })
    }
    this.#first = null
    this.#second = null
    this.encrypted = 0
    this.mppeBits = undefined
    this.isStateless = undefined
    this.mppe = null
    this.keys = null
    this.isOpenTold = false
    this.terminatedBy = undefined
    this.terminationReason = undefined
  }
}

function newAgreed(): Agreed {
  return {
    lcp: false,
    ipcp: false,
    ipv6cp: false,
    ccp: false,
    mru: undefined,
    address: undefined,
    interfaceId: undefined,
    dns: NONE,
    nbns: NONE,
    authProtocol: 0,
    chapAlgorithm: undefined,
    isShortSequence: false,
    endpoint: undefined,
  }
}

function newLogin(): Login {
  return {
    user: undefined,
    server: undefined,
    method: undefined,
    attempts: 0,
    identifier: -1,
    digest: 0,
    isJudged: false,
    outcome: undefined,
    told: undefined,
    challenge: undefined,
    challengeDigest: 0,
    proof: null,
    serverAnswer: undefined,
  }
}

const NO_LOGIN: Readonly<Login> = newLogin()
