/**
 * What IKE shows of the security of a host: the suites that it accepts or offers, versions and modes, its product, whether it
 * is ready for quantum computers, its certificate. One record a host and role, told when it changes, and once a day.
 */
import { isoMicroseconds, SECOND_US } from '../base/time.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import { exchangeName } from '../wire/ike.ts'
import type { CertificateDescription } from '../wire/ike-certificate.ts'
import { IKE_LEVELS, type IkeLevel } from '../wire/ike-strength.ts'
import { Allowances } from './allowances.ts'
import type { End, Exchange } from './ike-exchange.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import {
  type Check,
  checkFields,
  isCount,
  isNumber,
  isText,
  listOf,
  loadFields,
  oneOf,
  saveFields,
} from './saved-fields.ts'
import { isCertificate } from './saved-ike.ts'

const DAY_US = 86_400 * SECOND_US
const LIST_MAX = 16
/** A host whose posture changes more often than this in a minute is being tried out. */
const CHANGES_PER_MINUTE = 10
const RSA_BITS_MIN = 2048

interface Posture {
  readonly role: Role
  readonly address: string
  readonly versions: Set<string>
  readonly modes: Set<string>
  readonly suites: Set<string>
  readonly methods: Set<string>
  readonly products: Set<string>
  readonly weaknesses: Set<string>
  readonly postQuantum: Set<string>
  /** Of the worst suite that was agreed on, and that was offered. */
  accepted: IkeLevel | undefined
  offered: IkeLevel | undefined
  certificate: CertificateDescription | undefined
  exchanges: number
  toldUs: number
  told: string
  /** Of what it holds, and how much that was: lists only grow. */
  signature: string
  signed: number
}

const LISTS = ['versions', 'modes', 'suites', 'methods', 'products', 'weaknesses', 'postQuantum'] as const

const PLAIN = {
  accepted: isLevel,
  offered: isLevel,
  certificate: isCertificate,
  exchanges: isCount,
  toldUs: isNumber,
  told: isText,
}

export type SavedPosture = Partial<Pick<Posture, keyof typeof PLAIN>> & {
  readonly role: Role
  readonly address: string
} & { readonly [L in (typeof LISTS)[number]]: readonly string[] }

const SAVED: Readonly<Record<string, Check>> = {
  ...PLAIN,
  role: oneOf(INITIATOR, RESPONDER),
  address: isText,
  ...Object.fromEntries(LISTS.map((list) => [list, listOf(isText, LIST_MAX)])),
}

export class IkePostures {
  readonly #emit: Emit
  readonly #max: number
  readonly #allowances: Allowances
  /** The one that was seen longest ago is the first. */
  readonly #byHost = new Map<string, Posture>()

  /** `max` records are kept; a further one ends the one that was not seen for longest. */
  constructor(emit: Emit, max: number) {
    this.#emit = emit
    this.#max = max
    this.#allowances = new Allowances(CHANGES_PER_MINUTE, max)
  }

  get size(): number {
    return this.#byHost.size
  }

  /** Changes that were not told. */
  get suppressed(): number {
    return this.#allowances.suppressed
  }

  get allowances(): Allowances {
    return this.#allowances
  }

  /** The one that was not seen for longest first. */
  *save(): Generator<SavedPosture> {
    for (const posture of this.#byHost.values()) {
      const { role, address } = posture
      const lists = Object.fromEntries(LISTS.map((list) => [list, [...posture[list]]]))
      yield { role, address, ...lists, ...saveFields(posture, newPosture(role, address), PLAIN) } as SavedPosture
    }
  }

  /** In the order of `save`; false if there is no room. Throws SavedFault. */
  restore(value: unknown): boolean {
    checkFields(value, SAVED, ['role', 'address', ...LISTS])
    if (this.#byHost.size >= this.#max) return false
    const saved = value as SavedPosture
    const { role, address } = saved
    const posture = newPosture(role, address)
    loadFields(posture, saved, posture, PLAIN)
    for (const list of LISTS) for (const text of saved[list]) posture[list].add(text)
    this.#byHost.set(keyOf(role, address), posture)
    return true
  }

  /** An SA that was established: both ends meant it. */
  established(exchange: Exchange, timeUs: number): void {
    // Of one that was joined late nothing may be known but that it is there.
    if (exchange.isAdopted && exchange.chosen === null) return
    this.#observe(exchange, INITIATOR, timeUs)
    this.#observe(exchange, RESPONDER, timeUs)
  }

  /** An SA that failed after the responder chose a suite: it is one that he accepts, whoever asked. */
  chosen(exchange: Exchange, timeUs: number): void {
    if (exchange.chosen !== null) this.#observe(exchange, RESPONDER, timeUs)
  }

  #observe(exchange: Exchange, role: Role, timeUs: number): void {
    const posture = this.#of(exchange, role)
    posture.exchanges++
    learn(posture, exchange, timeUs)
    const now = signatureOf(posture)
    if (now === posture.told && timeUs - posture.toldUs < DAY_US) return
    const suppressed = this.#allowances.take(keyOf(role, posture.address), timeUs, now)
    if (suppressed === -1) return
    const isKnown = posture.told !== ''
    posture.told = now
    posture.toldUs = timeUs
    this.#emit(event(posture, exchange, timeUs, isKnown))
  }

  #of({ hosts }: Exchange, role: Role): Posture {
    const address = hosts?.[role === INITIATOR ? 'source.ip' : 'destination.ip'] ?? ''
    const key = keyOf(role, address)
    const posture = this.#byHost.get(key) ?? newPosture(role, address)
    this.#byHost.delete(key)
    if (this.#byHost.size >= this.#max) this.#byHost.delete(this.#byHost.keys().next().value as string)
    this.#byHost.set(key, posture)
    return posture
  }
}

function keyOf(role: Role, address: string): string {
  return `${role} ${address}`
}

function isLevel(value: unknown): boolean {
  return isCount(value) && (value as number) < IKE_LEVELS.length
}

function newPosture(role: Role, address: string): Posture {
  return {
    role,
    address,
    versions: new Set(),
    modes: new Set(),
    suites: new Set(),
    methods: new Set(),
    products: new Set(),
    weaknesses: new Set(),
    postQuantum: new Set(),
    accepted: undefined,
    offered: undefined,
    certificate: undefined,
    exchanges: 0,
    toldUs: Number.NEGATIVE_INFINITY,
    told: '',
    signature: '',
    signed: -1,
  }
}

function learn(posture: Posture, exchange: Exchange, timeUs: number): void {
  const { role } = posture
  const end = exchange.ends[role]
  const { chosen, chosenGrade, offeredGrade, version, minorVersion, mode } = exchange
  add(posture.versions, `${version}.${minorVersion}`)
  // Of an SA that was joined late neither is known.
  if (!exchange.isAdopted) add(posture.modes, exchangeName(version, mode))
  if (version === 1) add(posture.weaknesses, 'version_1')
  for (const product of end.products) add(posture.products, product)
  if (chosen !== null) {
    add(posture.suites, chosen.text)
    if (chosen.authentication !== undefined) add(posture.methods, chosen.authentication)
  }
  if (chosenGrade !== null) {
    posture.accepted = lowest(posture.accepted, chosenGrade.worst)
    for (const weakness of chosenGrade.weaknesses) add(posture.weaknesses, weakness)
  }
  if (role === INITIATOR && offeredGrade !== null) {
    posture.offered = lowest(posture.offered, offeredGrade.worst)
    for (const weakness of offeredGrade.weaknesses) add(posture.weaknesses, weakness)
  }
  if (role === RESPONDER && exchange.isHashExposed) add(posture.weaknesses, 'hash_exposed')
  if (exchange.downgrades.includes('not_offered')) add(posture.weaknesses, 'choice_not_offered')
  learnPostQuantum(posture, exchange, end)
  learnCertificate(posture, end.certificate, timeUs)
}

/** RFC 9370 (`key_exchange`), RFC 8784 and RFC 9867 (`preshared_key`), RFC 9242 (`intermediate`, which the first needs). */
function learnPostQuantum({ postQuantum, role }: Posture, exchange: Exchange, end: End): void {
  const grade = role === INITIATOR ? exchange.offeredGrade : exchange.chosenGrade
  if (grade?.isQuantumResistant === true) postQuantum.add('key_exchange')
  if (end.hasPpk) postQuantum.add('preshared_key')
  if (end.hasIntermediate) postQuantum.add('intermediate')
}

function learnCertificate(posture: Posture, certificate: CertificateDescription | undefined, timeUs: number): void {
  if (certificate === undefined) return
  if (posture.certificate?.sha256 !== certificate.sha256) posture.signed = -1
  posture.certificate = certificate
  for (const weakness of certificateWeaknesses(certificate, timeUs)) add(posture.weaknesses, weakness)
}

function certificateWeaknesses(certificate: CertificateDescription, timeUs: number): readonly string[] {
  const { validFrom, validTo, keyType, keyBits, signatureAlgorithm, isSelfIssued } = certificate
  const nowMs = timeUs / 1000
  const weaknesses: string[] = []
  if (validTo !== undefined && Date.parse(validTo) < nowMs) weaknesses.push('certificate_expired')
  if (validFrom !== undefined && Date.parse(validFrom) > nowMs) weaknesses.push('certificate_not_yet_valid')
  if (keyType === 'rsa' && keyBits !== undefined && keyBits < RSA_BITS_MIN) weaknesses.push('certificate_key')
  if (/md5|sha1/i.test(signatureAlgorithm ?? '')) weaknesses.push('certificate_signature')
  if (isSelfIssued) weaknesses.push('certificate_self_issued')
  return weaknesses
}

function add(set: Set<string>, value: string): void {
  if (set.size < LIST_MAX) set.add(value)
}

function lowest(a: IkeLevel | undefined, b: IkeLevel): IkeLevel {
  return a === undefined || b < a ? b : a
}

function sorted(set: ReadonlySet<string>): readonly string[] | undefined {
  return set.size === 0 ? undefined : [...set].sort()
}

/** Made anew only when something was added. */
function signatureOf(posture: Posture): string {
  let size = 0
  for (const list of LISTS) size += posture[list].size
  if (size !== posture.signed) {
    posture.signed = size
    posture.signature = signature(posture)
  }
  return posture.signature
}

/** What two records have alike if nothing worth telling changed. */
function signature({
  versions,
  modes,
  suites,
  methods,
  products,
  weaknesses,
  postQuantum,
  certificate,
}: Posture): string {
  const lists = [versions, modes, suites, methods, products, weaknesses, postQuantum]
  return JSON.stringify([...lists.map(sorted), certificate?.sha256])
}

function event(
  posture: Posture,
  { hosts, uid }: Exchange,
  timeUs: number,
  isKnown: boolean,
): RaisedEvent<'ike.posture.observed'> {
  const { role, address, accepted, offered, certificate, weaknesses } = posture
  const name = role === INITIATOR ? 'peer' : 'gateway'
  const level = accepted ?? offered
  const weak = weaknesses.size === 0 ? 'no weakness seen' : `weaknesses: ${[...weaknesses].sort().join(', ')}`
  return {
    name: 'ike.posture.observed',
    timeUs,
    message: `IKE ${name} ${address}: ${level === undefined ? 'algorithms unknown' : IKE_LEVELS[level]}, ${weak}`,
    fields: {
      'source.ip': address,
      'network.type': hosts?.['network.type'] ?? '',
      'network.protocol': 'ike',
      'ike.uid': uid,
      'ike.posture.role': name,
      'ike.posture.exchanges': posture.exchanges,
      'ike.posture.is_changed': isKnown,
      'ike.posture.level': level === undefined ? undefined : IKE_LEVELS[level],
      'ike.posture.offered_level': offered === undefined ? undefined : IKE_LEVELS[offered],
      'ike.posture.suites': sorted(posture.suites),
      'ike.posture.versions': sorted(posture.versions),
      'ike.posture.modes': sorted(posture.modes),
      'ike.posture.authentication_methods': sorted(posture.methods),
      'ike.posture.products': sorted(posture.products),
      'ike.posture.weaknesses': sorted(posture.weaknesses),
      'ike.posture.post_quantum': sorted(posture.postQuantum),
      'ike.posture.certificate': certificate?.subject.slice(0, 256),
      'ike.posture.certificate_sha256': certificate?.sha256,
      'ike.posture.certificate_expires':
        certificate?.validTo === undefined ? undefined : isoMicroseconds(Date.parse(certificate.validTo) * 1000),
      'borescope.lineage': [uid],
    },
  }
}
