/** What is told of IPsec associations and their pairs: their events, field by field. */
import { hash } from 'node:crypto'
import type { Endpoints } from '../base/endpoints.ts'
import { isoMicroseconds } from '../base/time.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import { spiText } from '../wire/esp.ts'
import {
  CARRIAGE,
  type Carriage,
  ENCAPSULATIONS,
  type EspAssociation,
  type EspClosedBy,
  type EspTunnel,
  PROTOCOLS,
  READING,
  TRANSPORTS,
} from './esp-association.ts'
import { ARRIVAL, type Arrival, type SequenceWindows } from './esp-sequence.ts'
import type { Meter } from './meter.ts'
import { INITIATOR, type Role } from './role.ts'

type Fields<N extends RaisedEvent['name']> = RaisedEvent<N>['fields']
type AssociationEvent = Extract<
  RaisedEvent['name'],
  `esp.association.${string}` | `esp.sequence.${string}` | 'esp.keys.refused' | 'esp.spi.collided'
>

export class EspEvents {
  readonly #endpoints: Endpoints
  readonly #emit: Emit
  readonly #windows: SequenceWindows

  constructor(endpoints: Endpoints, emit: Emit, windows: SequenceWindows) {
    this.#endpoints = endpoints
    this.#emit = emit
    this.#windows = windows
  }

  /** An event about an association; `message` goes on behind its name. */
  tell<N extends AssociationEvent>(
    name: N,
    timeUs: number,
    association: EspAssociation,
    tunnel: EspTunnel,
    message: string,
    more: Omit<Fields<N>, keyof ReturnType<EspEvents['describe']>>,
  ): void {
    this.#emit({
      name,
      timeUs,
      message: `${this.nameOf(association)} ${message}`,
      fields: { ...this.describe(association, tunnel), ...more },
    } as unknown as RaisedEvent)
  }

  opened(tunnel: EspTunnel, { parent }: EspAssociation, timeUs: number): void {
    this.#emit({
      name: 'esp.tunnel.opened',
      timeUs,
      message: `${this.namesOf(tunnel)} protects what they send to each other`,
      fields: {
        ...this.describeTunnel(tunnel),
        'esp.ike.basis': parent?.basis,
        'esp.ike.suite': parent?.suite,
      },
    })
  }

  rekeyed(tunnel: EspTunnel, timeUs: number, spis: readonly number[]): void {
    this.#emit({
      name: 'esp.tunnel.rekeyed',
      timeUs,
      message: `${this.namesOf(tunnel)} goes on under new SPIs (${spis.map(spiText).join(', ')})`,
      fields: { ...this.describeTunnel(tunnel), 'esp.rekeys': tunnel.rekeys },
    })
  }

  moved(tunnel: EspTunnel, role: Role, before: number, timeUs: number, suppressed: number): void {
    const port = this.#endpoints.port(tunnel.endpoints[role])
    const reason = `${this.#endpoints.address(tunnel.endpoints[role])} sends from port ${port} instead of ${before}`
    this.#emit({
      name: 'esp.tunnel.moved',
      timeUs,
      message: `${this.namesOf(tunnel)}: ${reason}`,
      fields: {
        ...this.describeTunnel(tunnel),
        'event.reason': reason,
        'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
      },
    })
  }

  oneWay(tunnel: EspTunnel, timeUs: number, packets: number): void {
    const role: Role = tunnel.associations[INITIATOR] === -1 ? 1 : 0
    this.#emit({
      name: 'esp.tunnel.one_way',
      timeUs,
      message: `${this.namesOf(tunnel, role)} goes one way: only the first sends, ${packets} packets so far`,
      fields: { ...this.describeTunnel(tunnel, role), 'source.packets': packets },
    })
  }

  tunnelClosed(tunnel: EspTunnel, timeUs: number, meter: Meter): void {
    const { closedBy, reason } = tunnel.ending
    this.#emit({
      name: 'esp.tunnel.closed',
      timeUs,
      message: `${this.namesOf(tunnel)} protects nothing more: ${reason}`,
      fields: {
        ...this.describeTunnel(tunnel),
        ...this.traffic(tunnel, meter),
        'event.reason': reason,
        'esp.closed_by': closedBy,
        'esp.rekeys': tunnel.rekeys,
        'esp.packets.lost': tunnel.lost,
      },
    })
  }

  associationClosed(
    association: EspAssociation,
    tunnel: EspTunnel,
    timeUs: number,
    closedBy: EspClosedBy,
    reason: string,
    meter: Meter,
  ): void {
    const { index, startUs, opened, corrupt } = association
    const windows = this.#windows
    const endUs = meter.lastUs(index)
    const packets = meter.packets(index, 0)
    const bytes = meter.bytes(index, 0)
    const lost = windows.lost(index)
    this.tell('esp.association.closed', timeUs, association, tunnel, `carries nothing more: ${reason}`, {
      'esp.sequence.highest': windows.highest(index),
      'esp.packets.lost': lost,
      'esp.packets.gaps': windows.gaps(index),
      'esp.packets.late': windows.late(index),
      'esp.packets.repeated': windows.repeated(index),
      'esp.packets.outside_window': windows.outside(index),
      'esp.packets.forged': windows.forgeries(index),
      'esp.packets.opened': opened === 0 ? undefined : opened,
      'esp.packets.corrupt': corrupt === 0 ? undefined : corrupt,
      'esp.loss': lost === 0 ? 0 : round(lost / (lost + packets)),
      'event.reason': reason,
      'esp.closed_by': closedBy,
      'event.start': isoMicroseconds(startUs),
      'event.end': isoMicroseconds(endUs),
      'event.duration': Math.round((endUs - startUs) * 1000),
      'source.bytes': bytes,
      'source.packets': packets,
      'destination.bytes': 0,
      'destination.packets': 0,
      'network.bytes': bytes,
      'network.packets': packets,
    })
  }

  /** A packet whose sequence number is not the next one. */
  arrived(
    association: EspAssociation,
    tunnel: EspTunnel,
    timeUs: number,
    sequence: number,
    arrival: Arrival,
    suppressed: number,
  ): void {
    const { index } = association
    const windows = this.#windows
    const highest = windows.highest(index)
    const common = {
      'esp.sequence.highest': highest,
      'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
    }
    switch (arrival) {
      case ARRIVAL.AGAIN:
        this.tell('esp.sequence.replayed', timeUs, association, tunnel, `brought number ${sequence} again`, {
          ...common,
          'esp.sequence.number': sequence,
          'esp.sequence.finding': 'inside_window',
        })
        break
      case ARRIVAL.BELOW: {
        const words = `brought number ${sequence}, below the window that ends with ${highest}`
        this.tell('esp.sequence.replayed', timeUs, association, tunnel, words, {
          ...common,
          'esp.sequence.number': sequence,
          'esp.sequence.finding': 'below_window',
        })
        break
      }
      case ARRIVAL.FORGED: {
        const forged = windows.forged(index)
        const words = `brought number ${forged} and went on from ${highest}`
        this.tell('esp.sequence.forged', timeUs, association, tunnel, words, {
          ...common,
          'esp.sequence.number': forged,
          'esp.sequence.finding': 'forged',
        })
        break
      }
      case ARRIVAL.RESUMED:
        this.tell('esp.sequence.resumed', timeUs, association, tunnel, `goes on at number ${highest}`, {
          ...common,
          'esp.packets.lost': windows.lost(index),
        })
        break
      case ARRIVAL.RESTARTED: {
        const words = `goes on from below, at number ${highest}`
        this.tell('esp.sequence.restarted', timeUs, association, tunnel, words, common)
        break
      }
      case ARRIVAL.WRAPPED:
        this.tell('esp.sequence.wrapped', timeUs, association, tunnel, 'passed sequence number 2^32', common)
        break
      default:
    }
  }

  scanned(association: EspAssociation, timeUs: number, spis: number): void {
    const hosts = this.hosts(association.source, association.destination, association.carriage, association.vlan)
    this.#emit({
      name: 'esp.spi.scanned',
      timeUs,
      message: `${hosts['source.ip']} sent ${PROTOCOLS[association.carriage].toUpperCase()} with ${spis} SPIs that nobody uses, the last one to ${hosts['destination.ip']}`,
      fields: { ...hosts, 'esp.spis': spis, 'esp.spi': spiText(association.spi) },
    })
  }

  // --- fields

  describe(association: EspAssociation, tunnel: EspTunnel) {
    const { parent, predecessor, reading, openers, nullState } = association
    const keys = association.isReadWithKeys ? openers[0].keys : undefined
    return {
      ...this.hosts(association.source, association.destination, association.carriage, association.vlan),
      'esp.tunnel.uid': tunnel.uid,
      'esp.association.uid': association.uid,
      'esp.spi': spiText(association.spi),
      'esp.encapsulation': ENCAPSULATIONS[association.carriage],
      'esp.sequence.first': association.firstSequence,
      'esp.adopted': isOld(association) || undefined,
      'esp.predecessor.spi': predecessor === null ? undefined : spiText(predecessor.spi),
      'esp.predecessor.uid': predecessor?.uid,
      'ike.uid': parent?.uid ?? tunnel.protection.ikeUid,
      'esp.ike.basis': parent?.basis,
      'esp.ike.child': parent?.child?.number,
      'esp.ike.suite': parent?.suite,
      'esp.readable': readable(association),
      'esp.suite': keys?.suite,
      'esp.confidence': reading === READING.NOT_ENCRYPTED ? round(nullState.confidence) : undefined,
      'esp.mode': association.mode,
      'esp.extended': this.#isExtended(association) || undefined,
      'borescope.lineage': lineageOf(association, tunnel),
    }
  }

  describeTunnel(tunnel: EspTunnel, source: Role = INITIATOR) {
    return {
      ...this.tunnelHosts(tunnel, source),
      'esp.tunnel.uid': tunnel.uid,
      'esp.encapsulation': ENCAPSULATIONS[tunnel.carriage],
      'ike.uid': tunnel.protection.ikeUid,
      'borescope.lineage': tunnel.protection.lineage,
    }
  }

  tunnelHosts(tunnel: EspTunnel, source: Role) {
    return this.hosts(tunnel.endpoints[source], tunnel.endpoints[1 - source], tunnel.carriage, tunnel.vlan)
  }

  hosts(source: number, destination: number, carriage: Carriage, vlan: string | undefined) {
    const endpoints = this.#endpoints
    const hasPorts = carriage === CARRIAGE.ESP_UDP || carriage === CARRIAGE.ESP_TCP
    return {
      'source.ip': endpoints.address(source),
      'destination.ip': endpoints.address(destination),
      ...(hasPorts ? { 'source.port': endpoints.port(source), 'destination.port': endpoints.port(destination) } : {}),
      'network.type': endpoints.isIpv6(source) ? 'ipv6' : 'ipv4',
      'network.transport': TRANSPORTS[carriage],
      'network.protocol': PROTOCOLS[carriage],
      'network.vlan.id': vlan,
    }
  }

  traffic(tunnel: EspTunnel, meter: Meter, source: Role = INITIATOR) {
    const { index, startUs } = tunnel
    const endUs = meter.lastUs(index)
    const other = 1 - source
    return {
      'event.start': isoMicroseconds(startUs),
      'event.end': isoMicroseconds(endUs),
      'event.duration': Math.round((endUs - startUs) * 1000),
      'source.bytes': meter.bytes(index, source),
      'source.packets': meter.packets(index, source),
      'destination.bytes': meter.bytes(index, other),
      'destination.packets': meter.packets(index, other),
      'network.bytes': meter.bytes(index, 0) + meter.bytes(index, 1),
      'network.packets': meter.packets(index, 0) + meter.packets(index, 1),
    }
  }

  associationUid(association: EspAssociation): string {
    const { source, destination, carriage, spi, startUs } = association
    return `a-${this.#digest(source, destination, carriage, spi, startUs)}`
  }

  tunnelUid(tunnel: EspTunnel, { spi }: EspAssociation): string {
    const [initiator, responder] = tunnel.endpoints
    return `e-${this.#digest(initiator, responder, tunnel.carriage, spi, tunnel.startUs)}`
  }

  #digest(source: number, destination: number, carriage: Carriage, spi: number, startUs: number): string {
    const { 'source.ip': from, 'destination.ip': to } = this.hosts(source, destination, carriage, undefined)
    const ports = `${this.#endpoints.port(source)} ${this.#endpoints.port(destination)}`
    return hash('sha1', `${from} ${to} ${ports} ${carriage} ${spi} ${startUs}`).slice(0, 12)
  }

  nameOf({ source, destination, carriage, spi }: EspAssociation): string {
    const protocol = PROTOCOLS[carriage].toUpperCase()
    return `${protocol} ${spiText(spi)} from ${this.#endpoints.address(source)} to ${this.#endpoints.address(destination)}`
  }

  namesOf(tunnel: EspTunnel, first: Role = INITIATOR): string {
    const [a, b] = [tunnel.endpoints[first], tunnel.endpoints[1 - first]].map((end) => this.#endpoints.address(end))
    return `${PROTOCOLS[tunnel.carriage].toUpperCase()} between ${a} and ${b}`
  }

  #isExtended({ index, openers, isReadWithKeys }: EspAssociation): boolean {
    return this.#windows.wraps(index) > 0 || (isReadWithKeys && openers[0].sequenceHigh !== -1)
  }
}

/** More than a window beyond its beginning when it was seen first: it is older than the capture, or much was missed. */
const OLD_AFTER = 1024

function isOld({ firstSequence }: EspAssociation): boolean {
  return firstSequence > OLD_AFTER
}

function readable({ reading, isReadWithKeys }: EspAssociation): string | undefined {
  if (reading === READING.CLEAR) return 'authenticated'
  if (reading === READING.NOT_ENCRYPTED) return 'not_encrypted'
  return isReadWithKeys ? 'keys' : undefined
}

/** From the IKE SA that made this very association to the association itself. */
export function lineageOf({ uid, parent }: EspAssociation, { protection }: EspTunnel): readonly string[] {
  const { lineage, ikeUid } = protection
  if (parent === null || parent.uid === ikeUid) return [...lineage, uid]
  return [parent.uid, ...lineage.filter((id) => id !== ikeUid), uid]
}

function round(share: number): number {
  return Math.round(share * 1e6) / 1e6
}
