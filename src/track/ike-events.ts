/** IKE SAs as the fields of events. */
import { isoMicroseconds } from '../base/time.ts'
import { exchangeName } from '../wire/ike.ts'
import type { End, Exchange } from './ike-exchange.ts'
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
    'ike.proposal.offered': exchange.offered.length === 0 ? undefined : exchange.offered,
    'ike.proposal.count': exchange.offeredHash === undefined ? undefined : exchange.offeredCount,
    'ike.proposal.hash': exchange.offeredHash,
    'ike.proposal.chosen': chosen?.text,
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
    'ike.initiator.certificate': initiator.certificate,
    'ike.responder.identity': responder.identity,
    'ike.responder.identity_type': responder.identityType,
    'ike.responder.certificate': responder.certificate,
    'ike.nat.detected': natOf(initiator, responder),
    'ike.nat.floated': exchange.isFloated || undefined,
    'ike.hash_exposed': exchange.isHashExposed || undefined,
    'borescope.lineage': [exchange.uid],
  }
}

export function countFields(exchange: Exchange) {
  const [initiator, responder] = exchange.ends
  return {
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

function listed(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : [...values]
}

function natOf(initiator: End, responder: End): string | undefined {
  if (initiator.isBehindNat === null && responder.isBehindNat === null) return undefined
  if (initiator.isBehindNat) return responder.isBehindNat ? 'both' : 'initiator'
  return responder.isBehindNat ? 'responder' : 'none'
}
