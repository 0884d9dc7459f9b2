/** IKE SAs as the fields of events. */
import { isoMicroseconds } from '../base/time.ts'
import { exchangeName } from '../wire/ike.ts'
import type { CertificateDescription } from '../wire/ike-certificate.ts'
import { IKE_LEVELS, type IkeGrade } from '../wire/ike-strength.ts'
import type { End, Exchange } from './ike-exchange.ts'
import { toldOffers } from './ike-learn.ts'
import type { OuterFields } from './outer.ts'

/** The sentence's subject: `10.0.0.1 → 10.0.0.2`. */
export function names({ hosts }: Exchange): string {
  return `${hosts?.['source.ip']} → ${hosts?.['destination.ip']}`
}

export function describeExchange(exchange: Exchange) {
  const [initiator, responder] = exchange.ends
  const { chosen } = exchange
  return {
    ...(exchange.hosts as OuterFields),
    'ike.uid': exchange.uid,
    'ike.version': `${exchange.version}.${exchange.minorVersion}`,
    'ike.mode': exchangeName(exchange.version, exchange.mode),
    'ike.initiator.cookie': exchange.initiatorSpi,
    'ike.responder.cookie': exchange.responderSpi,
    'ike.phase': exchange.phase === '' ? undefined : exchange.phase,
    'ike.adopted': exchange.isAdopted || undefined,
    'ike.proposal.offered': listed(toldOffers(exchange)),
    'ike.proposal.count': exchange.offeredHash === undefined ? undefined : exchange.offeredCount,
    'ike.proposal.hash': exchange.offeredHash,
    'ike.proposal.chosen': chosen?.text,
    ...strength(exchange),
    'ike.cookie': exchange.cookie,
    'ike.group_requested': exchange.requestedGroup,
    'ike.redirect.gateway': exchange.redirect,
    'ike.encryption': chosen?.encryption,
    'ike.integrity': chosen?.integrity,
    'ike.prf': chosen?.prf,
    'ike.group': chosen?.group,
    'ike.lifetime': chosen?.lifetime,
    'ike.authentication.method': chosen?.authentication,
    'ike.notification': exchange.notification,
    'ike.initiator.vendors': listed(initiator.vendors),
    'ike.responder.vendors': listed(responder.vendors),
    'ike.initiator.identity': initiator.identity,
    'ike.initiator.identity_type': initiator.identityType,
    'ike.responder.identity': responder.identity,
    'ike.responder.identity_type': responder.identityType,
    ...(initiator.certificate === undefined ? {} : initiatorCertificate(initiator.certificate)),
    ...(responder.certificate === undefined ? {} : responderCertificate(responder.certificate)),
    'ike.predecessor.uid': exchange.predecessor?.uid,
    'ike.predecessor.relation': exchange.predecessor?.relation,
    'ike.generation': exchange.generation === 1 ? undefined : exchange.generation,
    'ike.nat.detected': natOf(initiator, responder),
    'ike.nat.floated': exchange.isFloated || undefined,
    'ike.hash_exposed': exchange.isHashExposed || undefined,
    'borescope.lineage': [exchange.uid],
  }
}

function strength({ chosenGrade, offeredGrade, downgrades, ends }: Exchange) {
  const level = (grade: IkeGrade | null, which: 'best' | 'worst') =>
    grade === null ? undefined : IKE_LEVELS[grade[which]]
  const postQuantum = [
    ...(offeredGrade?.isQuantumResistant === true ? ['key_exchange_offered'] : []),
    ...(chosenGrade?.isQuantumResistant === true ? ['key_exchange_chosen'] : []),
    ...(ends.every(({ hasPpk }) => hasPpk) ? ['preshared_key'] : []),
  ]
  return {
    'ike.proposal.level': level(chosenGrade, 'worst'),
    'ike.proposal.best_offered': level(offeredGrade, 'best'),
    'ike.proposal.worst_offered': level(offeredGrade, 'worst'),
    'ike.proposal.weaknesses': listed(chosenGrade?.weaknesses ?? []),
    'ike.downgrade': listed(downgrades),
    'ike.post_quantum': listed(postQuantum),
  }
}

const TEXT_MAX = 256

function initiatorCertificate(certificate: CertificateDescription) {
  return {
    'ike.initiator.certificate': certificate.subject.slice(0, TEXT_MAX),
    'ike.initiator.certificate_issuer': certificate.issuer.slice(0, TEXT_MAX),
    'ike.initiator.certificate_names': listed(certificate.alternativeNames),
    'ike.initiator.certificate_serial': certificate.serialNumber,
    'ike.initiator.certificate_sha256': certificate.sha256,
    'ike.initiator.certificate_key': keyOf(certificate),
    'ike.initiator.certificate_expires': expiry(certificate),
  }
}

function responderCertificate(certificate: CertificateDescription) {
  return {
    'ike.responder.certificate': certificate.subject.slice(0, TEXT_MAX),
    'ike.responder.certificate_issuer': certificate.issuer.slice(0, TEXT_MAX),
    'ike.responder.certificate_names': listed(certificate.alternativeNames),
    'ike.responder.certificate_serial': certificate.serialNumber,
    'ike.responder.certificate_sha256': certificate.sha256,
    'ike.responder.certificate_key': keyOf(certificate),
    'ike.responder.certificate_expires': expiry(certificate),
  }
}

function keyOf({ keyType, keyBits, curve }: CertificateDescription): string | undefined {
  if (keyType === undefined) return undefined
  const size = keyBits ?? curve
  return size === undefined ? keyType : `${keyType} ${size}`
}

function expiry({ validTo }: CertificateDescription): string | undefined {
  return validTo === undefined ? undefined : isoMicroseconds(Date.parse(validTo) * 1000)
}

export function countFields(exchange: Exchange) {
  const [initiator, responder] = exchange.ends
  const { conversation } = exchange
  const liveness = conversation?.liveness
  const interval = liveness?.intervalUs
  return {
    'ike.transactions': counted(exchange.transactions),
    'ike.fragmented_messages': counted(conversation?.skf.messages),
    'ike.incomplete_messages': counted(conversation?.skf.incomplete),
    'ike.missing_requests': counted(conversation?.ids.missing),
    'ike.liveness.checks': counted(liveness?.checks),
    'ike.liveness.interval_ms': interval === undefined ? undefined : Math.round(interval / 1000),
    'ike.liveness.unanswered': counted(liveness?.unanswered),
    'ike.messages': exchange.messages,
    'ike.retransmissions': exchange.retransmissions,
    'ike.child_exchanges': exchange.childExchanges,
    'ike.informational_exchanges': exchange.informationals,
    'event.start': isoMicroseconds(exchange.startUs),
    'event.end': isoMicroseconds(exchange.lastUs),
    'event.duration': Math.round((exchange.lastUs - exchange.startUs) * 1000),
    'source.packets': initiator.packets,
    'source.bytes': initiator.bytes,
    'destination.packets': responder.packets,
    'destination.bytes': responder.bytes,
    'network.packets': initiator.packets + responder.packets,
    'network.bytes': initiator.bytes + responder.bytes,
  }
}

/** What is nought says nothing. */
function counted(count: number | undefined): number | undefined {
  return count === 0 ? undefined : count
}

function listed(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : [...values]
}

function natOf(initiator: End, responder: End): string | undefined {
  if (initiator.isBehindNat === null && responder.isBehindNat === null) return undefined
  if (initiator.isBehindNat) return responder.isBehindNat ? 'both' : 'initiator'
  return responder.isBehindNat ? 'responder' : 'none'
}
