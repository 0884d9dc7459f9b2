/**
 * SSH inside flows: what both ends are and agree on, and, from lengths alone, how the login went.
 *
 * After NEWKEYS everything is encrypted, but the cipher is known, and with it how long each answer of the server is: the
 * message that a login succeeded is the shortest there is (RFC 4252 section 5.1), a refusal always has the length of the
 * first one. That is inference, and the event says so.
 */
import { u32 } from '../base/bytes.ts'
import {
  agreementOf,
  disconnectReason,
  hassh,
  hasshServer,
  looksLikeSsh,
  readBanner,
  readKexInit,
  SSH_MESSAGE,
  type SshAgreement,
  type SshBanner,
  type SshKexInit,
  SshPacketView,
  sshClearLengthTag,
  sshWireLength,
} from '../wire/ssh.ts'
import {
  DONE,
  type InnerFlow,
  type OwnFields,
  SERVER,
  type Side,
  type StreamProtocol,
  type StreamReader,
} from './inner-protocol.ts'

/** SSH_MSG_USERAUTH_SUCCESS is one octet; SSH_MSG_SERVICE_ACCEPT names `ssh-userauth` (RFC 4252 section 5.1, RFC 4253 section 10). */
const SUCCESS_PAYLOAD = 1
const ACCEPT_PAYLOAD = 17
/** Answers of a server after which a login that was not seen to succeed will not be. Servers hang up after six tries or so. */
const ANSWERS_MAX = 64

const view = new SshPacketView()

class Ssh implements StreamReader {
  readonly #flow: InnerFlow
  readonly #banners: [SshBanner | null, SshBanner | null] = [null, null]
  readonly #kex: [SshKexInit | null, SshKexInit | null] = [null, null]
  readonly #isEncrypted: [boolean, boolean] = [false, false]
  #isTold = false
  #agreement: SshAgreement = {}
  #login: Login | null = null

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    if (this.#banners[side] === null) {
      const read = readBanner(bytes, start, end)
      if (read === 'more') return 0
      if (typeof read === 'string') {
        this.#flow.report(read, 'ssh', '')
        return DONE
      }
      this.#banners[side] = read.banner
      at = read.next
      if (isVersion1(read.banner)) return this.#tell()
    }
    while (!this.#isEncrypted[side] && at < end) {
      const flaw = view.decode(bytes, at, end)
      if (flaw === 'ssh.truncated' || (flaw === null && !view.isWhole)) return at - start
      if (flaw !== null) {
        this.#flow.report(flaw, 'ssh', '')
        return this.#tell()
      }
      at = view.packetEnd
      if (view.messageType === SSH_MESSAGE.DISCONNECT) return this.#disconnected()
      this.#packet(side)
    }
    if (at === end) return at - start
    const goesOn = side === SERVER ? this.#answer(bytes, at, end) : this.#login !== null
    return goesOn ? end - start : DONE
  }

  gap(side: Side): boolean {
    if (!this.#isEncrypted[side]) return false
    this.#login?.loseTrack()
    return true
  }

  end(): void {
    if (this.#banners[0] !== null || this.#banners[1] !== null) this.#tell()
    this.#tellLogin()
  }

  #packet(side: Side): void {
    if (view.messageType === SSH_MESSAGE.NEWKEYS) {
      this.#isEncrypted[side] = true
      return
    }
    if (view.messageType !== SSH_MESSAGE.KEXINIT || this.#kex[side] !== null) return
    const kex = readKexInit(view)
    if (kex.flaw !== undefined) {
      this.#flow.report(kex.flaw, 'ssh', '')
      return
    }
    this.#kex[side] = kex
    const [client, server] = this.#kex
    if (client === null || server === null) return
    this.#agreement = agreementOf(client, server)
    this.#login = Login.over(this.#agreement)
    this.#tell()
  }

  #disconnected(): number {
    this.#flow.report('ssh.disconnected', 'ssh', disconnectReason(view))
    return this.#tell()
  }

  /** Encrypted octets of the server. False if nothing more is to be learned. */
  #answer(bytes: Uint8Array, start: number, end: number): boolean {
    const login = this.#login
    if (login === null) return false
    login.answer(bytes, start, end)
    if (login.outcome === undefined) return true
    this.#tellLogin()
    return false
  }

  #tell(): typeof DONE {
    if (this.#isTold) return DONE
    this.#isTold = true
    const [client, server] = this.#banners
    const { kexAlgorithm, hostKeyAlgorithm, encryptionClientToServer, macClientToServer } = this.#agreement
    this.#flow.tell(
      'ssh.negotiated',
      `SSH from ${client?.software ?? 'a client that did not say what it is'} to ${server?.software ?? 'a server that did not say what it is'}`,
      {
        'ssh.version': (server ?? client)?.protocolVersion ?? '2.0',
        ...this.#ends(),
        'ssh.server.hassh': this.#kex[1] === null ? undefined : hasshServer(this.#kex[1]),
        'ssh.kex_algorithm': kexAlgorithm,
        'ssh.host_key_algorithm': hostKeyAlgorithm,
        'ssh.cipher': encryptionClientToServer,
        'ssh.mac': hasOwnMac(encryptionClientToServer) ? undefined : macClientToServer,
      },
    )
    return DONE
  }

  #ends() {
    const [client, server] = this.#banners
    return {
      'ssh.client.software': client === null ? undefined : software(client),
      'ssh.client.hassh': this.#kex[0] === null ? undefined : hassh(this.#kex[0]),
      'ssh.server.software': server === null ? undefined : software(server),
    } satisfies Partial<OwnFields<'ssh.negotiated'>>
  }

  #tellLogin(): void {
    const login = this.#login
    this.#login = null
    if (login === null || !login.hasBegun) return
    const { outcome = login.refusals > 0 ? 'failure' : 'unknown', refusals } = login
    const attempts = Math.max(0, refusals - 1) + (outcome === 'success' ? 1 : 0)
    const { encryptionClientToServer, macClientToServer } = this.#agreement
    this.#flow.tell(
      'ssh.authentication.inferred',
      `A login over SSH ${OUTCOMES[outcome]}, by the lengths of ${refusals + (outcome === 'success' ? 1 : 0)} answers`,
      {
        'event.outcome': outcome,
        'ssh.authentication.refusals': refusals,
        'ssh.authentication.attempts': attempts,
        ...this.#ends(),
        'ssh.cipher': encryptionClientToServer,
        'ssh.mac': hasOwnMac(encryptionClientToServer) ? undefined : macClientToServer,
      },
    )
  }
}

const OUTCOMES = { success: 'succeeded', failure: 'did not succeed', unknown: 'went on unseen' } as const

function isVersion1({ protocolVersion }: SshBanner): boolean {
  return protocolVersion.startsWith('1.') && protocolVersion !== '1.99'
}

function software({ software: name, comment }: SshBanner): string {
  return comment === undefined ? name : `${name} ${comment}`
}

function hasOwnMac(cipher = ''): boolean {
  return cipher.startsWith('chacha20-poly1305') || cipher.includes('-gcm')
}

/** A login, by the lengths of what the server answers. */
class Login {
  hasBegun = false
  outcome: 'success' | 'unknown' | undefined
  refusals = 0
  readonly #accept: number
  readonly #success: number
  /** Octets after a packet, if its length can be read; else each delivery counts as a packet. */
  readonly #tagLength: number | undefined
  /** Of the first answer: the client asks without a password to learn what it may do. */
  #refusal = 0
  #answers = 0
  /** Octets of a packet that has begun. */
  #left = 0
  #isBlind = false

  /** Null if the lengths of this cipher are not known, or compression changes them. */
  static over(agreement: SshAgreement): Login | null {
    const { encryptionServerToClient: cipher, macServerToClient: mac = '', compressionServerToClient } = agreement
    if (cipher === undefined || compressionServerToClient === 'zlib') return null
    const accept = sshWireLength(ACCEPT_PAYLOAD, cipher, mac)
    const success = sshWireLength(SUCCESS_PAYLOAD, cipher, mac)
    if (accept === undefined || success === undefined) return null
    return new Login(accept, success, sshClearLengthTag(cipher, mac))
  }

  constructor(accept: number, success: number, tagLength: number | undefined) {
    this.#accept = accept
    this.#success = success
    this.#tagLength = tagLength
  }

  loseTrack(): void {
    this.#isBlind = true
  }

  /** Octets that the server sent in one go. */
  answer(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isBlind) {
      this.outcome = 'unknown'
      return
    }
    if (this.#tagLength === undefined) {
      this.#packet(end - start)
      return
    }
    let at = start + this.#left
    while (end - at >= 4 && this.outcome === undefined) {
      const length = u32(bytes, at) + 4 + this.#tagLength
      this.#packet(length)
      at += length
    }
    this.#left = Math.max(0, at - end)
  }

  #packet(length: number): void {
    if (!this.hasBegun) {
      // Before, a server may say what it can do (RFC 8308).
      this.hasBegun = length === this.#accept
      return
    }
    if (length === this.#success) {
      this.outcome = 'success'
      return
    }
    if (this.#refusal === 0) this.#refusal = length
    if (length === this.#refusal) this.refusals++
    if (++this.#answers === ANSWERS_MAX) this.outcome = 'unknown'
  }
}

export const SSH: StreamProtocol = {
  name: 'ssh',
  recognise: (bytes, start, end) => {
    const verdict = looksLikeSsh(bytes, start, end)
    return verdict === undefined ? 'more' : verdict ? 'yes' : 'no'
  },
  open: (flow) => new Ssh(flow),
}
