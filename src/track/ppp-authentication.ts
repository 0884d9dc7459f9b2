/**
 * Logins on a PPP link, by PAP, CHAP and EAP (RFC 1334, 1994, 3748): who answered, what the verdict was, and whether a
 * password that the operator gave bears it out.
 */
import { hashWindow } from '../base/hash.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { describeEap, EAP_CODE, EAP_TYPE } from '../wire/eap.ts'
import type { MsChapResponse, MsChapV2Response } from '../wire/ms-chap.ts'
import { PPP, pppProtocolName } from '../wire/ppp.ts'
import { CHAP_CODE, describeChap, describePap, PAP_CODE } from '../wire/ppp-auth.ts'
import type { PppControlView } from '../wire/ppp-control.ts'
import { CHAP_ALGORITHM, chapAlgorithmName } from '../wire/ppp-options.ts'
import { type Carrier, pppHosts } from './carrier.ts'
import type { PppFindings } from './ppp-findings.ts'
import type { Agreed, Login, PppLink } from './ppp-link.ts'
import { proofOf } from './ppp-proof.ts'
import type { PppSecrets } from './ppp-secrets.ts'
import type { Role } from './role.ts'
import type { SameLinks } from './same-links.ts'

const EAP_MSCHAPV2_RESPONSE = 2

export class PppAuthentication {
  readonly #emit: Emit
  readonly #findings: PppFindings
  readonly #secrets: PppSecrets
  readonly #sameLinks: SameLinks
  readonly #renamed: (carrier: Carrier) => void

  /** `renamed` is told when another user is known to be behind a carrier. */
  constructor(
    emit: Emit,
    findings: PppFindings,
    secrets: PppSecrets,
    sameLinks: SameLinks,
    renamed: (carrier: Carrier) => void,
  ) {
    this.#emit = emit
    this.#findings = findings
    this.#secrets = secrets
    this.#sameLinks = sameLinks
    this.#renamed = renamed
  }

  /** The packet of PAP, CHAP or EAP in the frame, `control` over it. */
  observe(frame: Frame, carrier: Carrier, link: PppLink, sender: Role, control: PppControlView): void {
    switch (frame.ppp.protocol) {
      case PPP.PAP:
        this.#observePap(frame, carrier, link, sender, control)
        return
      case PPP.CHAP:
        this.#observeChap(frame, carrier, link, sender, control)
        return
      case PPP.EAP:
        this.#observeEap(frame, carrier, link, sender, control)
        return
    }
  }

  /** A server that hangs up instead of giving a verdict has given one. `said` is what it gave as the reason. */
  serverHungUp(frame: Frame, carrier: Carrier, link: PppLink, said: string | undefined): void {
    const { client } = link
    if (link.loginOf(client).attempts > 0) this.#judge(frame, carrier, link, client, false, said)
  }

  #observePap(frame: Frame, carrier: Carrier, link: PppLink, sender: Role, control: PppControlView): void {
    const record = describePap(control)
    if (record.flaw !== undefined) this.#findings.report(frame, carrier, sender, record.flaw, 'PAP')
    if (record.code === PAP_CODE.AUTHENTICATE_REQUEST) {
      const login = link.login(sender)
      login.method = 'PAP'
      login.user = record.peerId ?? login.user
      this.#attempt(login, control)
    } else if (record.code === PAP_CODE.AUTHENTICATE_ACK || record.code === PAP_CODE.AUTHENTICATE_NAK) {
      const peer = (1 - sender) as Role
      const login = link.login(peer)
      login.method = 'PAP'
      this.#noteUnseenAnswer(login, control)
      this.#judge(frame, carrier, link, peer, record.code === PAP_CODE.AUTHENTICATE_ACK, record.message)
    }
  }

  #observeChap(frame: Frame, carrier: Carrier, link: PppLink, sender: Role, control: PppControlView): void {
    const isAnswer = control.code === CHAP_CODE.RESPONSE
    const server = (isAnswer ? 1 - sender : sender) as Role
    const client = (1 - server) as Role
    const record = describeChap(control, link.agreed[server].chapAlgorithm)
    if (record.flaw !== undefined && !frame.ppp.isSnapped)
      this.#findings.report(frame, carrier, sender, record.flaw, 'CHAP')
    const login = link.login(client)
    const method = chapMethod(record.algorithm)
    if (method !== undefined && (record.algorithmGuessed !== true || login.method === undefined)) login.method = method
    switch (record.code) {
      case CHAP_CODE.CHALLENGE:
        login.server = record.name === '' ? login.server : (record.name ?? login.server)
        this.#challenge(login, record.value)
        if (record.value === undefined) return
        this.#noteChapValue(control, carrier, frame.timeUs)
        this.#checkReflected(frame, carrier, link, sender, control)
        return
      case CHAP_CODE.RESPONSE:
        this.#rename(login, record.name)
        this.#attempt(login, control)
        if (record.value !== undefined) this.#noteChapValue(control, carrier, frame.timeUs)
        this.#prove(link, client, record.msChapResponse)
        return
      case CHAP_CODE.SUCCESS:
      case CHAP_CODE.FAILURE: {
        // Who answered does not take a verdict on another answer for his (RFC 1994 section 4.2).
        if (login.attempts > 0 && control.identifier !== login.identifier) return
        const isSuccess = record.code === CHAP_CODE.SUCCESS
        const said = isSuccess ? record.msChapSuccess?.message : record.msChapFailure?.message
        if (this.#secrets.isAny) login.serverAnswer = record.msChapSuccess?.authenticatorResponse
        this.#noteUnseenAnswer(login, control)
        this.#judge(frame, carrier, link, client, isSuccess, said ?? record.message, record.msChapFailure)
        // The next try answers the challenge that came with the refusal.
        if (record.msChapFailure?.challenge !== undefined) this.#challenge(login, record.msChapFailure.challenge)
      }
    }
  }

  /** Whoever is asked asks the same back: it wants the answer that it cannot compute itself. */
  #checkReflected(frame: Frame, carrier: Carrier, link: PppLink, sender: Role, control: PppControlView): void {
    const { bytes, dataStart } = control
    const login = link.login((1 - sender) as Role)
    const asked = link.loginOf(sender).challengeDigest
    const before = login.challengeDigest
    login.challengeDigest = hashWindow(bytes, dataStart, dataStart + 1 + bytes[dataStart])
    if (login.challengeDigest === asked && login.challengeDigest !== before)
      this.#findings.report(frame, carrier, sender, 'chap.reflected_challenge', 'CHAP')
  }

  #observeEap(frame: Frame, carrier: Carrier, link: PppLink, sender: Role, control: PppControlView): void {
    const record = describeEap(control)
    if (record.flaw !== undefined && !frame.ppp.isSnapped)
      this.#findings.report(frame, carrier, sender, record.flaw, 'EAP')
    const isAnswer = record.code === EAP_CODE.RESPONSE
    const client = (isAnswer ? sender : 1 - sender) as Role
    const login = link.login(client)
    const { method } = record
    const isMethod = record.type !== undefined && record.type > EAP_TYPE.NAK
    if (isMethod && record.typeName !== undefined)
      login.method = `EAP-${record.typeName.replace(/^EAP-|-Challenge$/g, '').replace('MSCHAPv2', 'MS-CHAPv2')}`
    else login.method ??= 'EAP'
    if (method?.kind === 'identity') this.#rename(login, method.identity)
    if (method?.kind === 'md5' || method?.kind === 'mschapv2') {
      if (isAnswer) this.#rename(login, method.name)
      else login.server = method.name === undefined || method.name === '' ? login.server : method.name
    }
    // Methods of many packets are one attempt; of these two the packet that answers the challenge is.
    const isWholeAnswer =
      method?.kind === 'md5' || (method?.kind === 'mschapv2' && method.opCode === EAP_MSCHAPV2_RESPONSE)
    const isFirstAnswer = method?.kind !== 'mschapv2' && (login.attempts === 0 || login.isJudged)
    if (isAnswer && isMethod && (isWholeAnswer || isFirstAnswer)) this.#attempt(login, control)
    if (method?.kind === 'mschapv2') {
      if (method.challenge !== undefined) this.#challenge(login, method.challenge)
      if (method.success !== undefined && this.#secrets.isAny) login.serverAnswer = method.success.authenticatorResponse
      if (method.failure?.challenge !== undefined) this.#challenge(login, method.failure.challenge)
      this.#prove(link, client, method.response)
    }
    if (record.code === EAP_CODE.SUCCESS || record.code === EAP_CODE.FAILURE) {
      this.#noteUnseenAnswer(login, control)
      this.#judge(frame, carrier, link, client, record.code === EAP_CODE.SUCCESS)
    }
  }

  /** Kept only where a password may be tried on it. */
  #challenge(login: Login, value: string | undefined): void {
    if (this.#secrets.isAny) login.challenge = value
  }

  #rename(login: Login, name: string | undefined): void {
    if (name !== undefined && name !== '') login.user = name
  }

  /** The challenge or the answer in a CHAP packet, which nobody else chooses. */
  #noteChapValue({ bytes, dataStart, dataEnd }: PppControlView, carrier: Carrier, timeUs: number): void {
    const valueStart = dataStart + 1
    this.#sameLinks.note(bytes, valueStart, Math.min(valueStart + bytes[dataStart], dataEnd), carrier, timeUs)
  }

  /** Whether a password that the operator gave answered: then the keys of the link are known. */
  #prove(link: PppLink, client: Role, response: MsChapResponse | MsChapV2Response | undefined): void {
    const login = link.login(client)
    if (response === undefined) return
    const { challenge, user = '' } = login
    login.proof = challenge === undefined ? null : proofOf(this.#secrets.of(user), challenge, response, user)
    if (login.proof?.verdict !== 'verified') return
    link.keys = login.proof.keys
    link.server = (1 - client) as Role
  }

  /** Counts an answer once: the same again, before its verdict or with the same identifier, is a retransmission. */
  #attempt(login: Login, { bytes, dataStart, dataEnd, identifier }: PppControlView): void {
    const digest = hashWindow(bytes, dataStart, dataEnd)
    const isRepeated = digest === login.digest && (identifier === login.identifier || !login.isJudged)
    login.identifier = identifier
    if (login.attempts > 0 && isRepeated) return
    login.digest = digest
    login.isJudged = false
    login.attempts++
  }

  /** Where answers are not seen, another identifier is another answer. */
  #noteUnseenAnswer(login: Login, { identifier }: PppControlView): void {
    if (login.attempts > 0 || identifier === login.identifier) return
    login.identifier = identifier
    login.isJudged = false
  }

  #judge(
    frame: Frame,
    carrier: Carrier,
    link: PppLink,
    client: Role,
    isSuccess: boolean,
    said?: string,
    failure?: { readonly errorCode: number; readonly errorName: string; readonly retryAllowed?: boolean },
  ): void {
    const login = link.login(client)
    if (login.isJudged) return
    login.isJudged = true
    const isKnown = isSuccess && login.outcome === 'succeeded' && login.told === login.user
    login.outcome = isSuccess ? 'succeeded' : 'failed'
    // A fresh challenge in mid-carrier that ends as the last one is no news.
    if (isKnown) return
    if (isSuccess) {
      login.told = login.user
      if (client === link.client) {
        carrier.userName = login.user
        this.#renamed(carrier)
      }
    }
    const fields = {
      ...pppHosts(carrier, client),
      ...carrier.owner.identify(carrier),
      'user.name': login.user,
      'ppp.authentication.method': login.method,
      'ppp.authentication.server_name': login.server,
      'ppp.authentication.attempts': login.attempts,
      'ppp.authentication.message': said === '' ? undefined : said,
      'ppp.authentication.verdict': login.proof?.verdict,
      'ppp.authentication.server_verdict': isSuccess ? serverVerdict(login) : undefined,
    } as const
    const who = `${login.user ?? 'a client'} at ${fields['source.ip'] ?? fields['source.mac']}`
    if (isSuccess) {
      this.#emit({
        name: 'ppp.authentication.succeeded',
        timeUs: frame.timeUs,
        message: `${who} logged in by ${login.method ?? 'PPP'}`,
        fields: { ...fields, 'event.outcome': 'success' },
      })
      return
    }
    this.#emit({
      name: 'ppp.authentication.failed',
      timeUs: frame.timeUs,
      message: `${who} failed to log in by ${login.method ?? 'PPP'}${failure === undefined ? '' : ` (${failure.errorCode} ${failure.errorName})`}`,
      fields: {
        ...fields,
        'event.outcome': 'failure',
        'ppp.error.code': failure?.errorCode,
        'ppp.error.text': failure?.errorName,
        'ppp.error.retry': failure?.retryAllowed,
      },
    })
  }
}

/** By which method the server wanted the client to log in, when nobody answered. */
export function demandedMethod(server: Agreed): string {
  switch (server.authProtocol) {
    case 0:
      return 'none'
    case PPP.CHAP:
      return chapMethod(server.chapAlgorithm) ?? 'CHAP'
    default:
      return pppProtocolName(server.authProtocol)
  }
}

function chapMethod(algorithm: number | undefined): string | undefined {
  switch (algorithm) {
    case undefined:
      return undefined
    case CHAP_ALGORITHM.MS_CHAP:
      return 'MS-CHAP'
    case CHAP_ALGORITHM.MS_CHAP_V2:
      return 'MS-CHAPv2'
    default:
      return `CHAP-${chapAlgorithmName(algorithm)}`
  }
}

/** Whether the server proved that it knows the password that answered; undefined where nobody can tell. */
function serverVerdict({ proof, serverAnswer }: Login): string | undefined {
  if (proof === null || proof.serverAnswers === null || serverAnswer === undefined) return undefined
  return proof.serverAnswers.includes(serverAnswer.toUpperCase()) ? 'verified' : 'wrong_secret'
}
