/**
 * Raises `protocol.anomaly`, and keeps one source from flooding the index with one finding: the first few of a name and
 * source in a minute are reported, the others counted, and the count travels with the next report.
 */
import { addressText } from '../base/address.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit, RaisedEvent } from '../events/catalogue.ts'
import { Allowances } from './allowances.ts'
import { outerFields, vlanOf } from './outer.ts'

export type AnomalyFields = Partial<RaisedEvent<'protocol.anomaly'>['fields']>

export interface AnomalyLimits {
  /** Reports of one name from one source in a minute. */
  readonly reportsPerMinute: number
  /** (name, source) pairs remembered. */
  readonly sourcesMax: number
}

export class Anomalies {
  /** How often each finding was made, reported or not. */
  readonly counts = new Map<string, number>()
  readonly #emit: Emit
  readonly #allowances: Allowances

  constructor(emit: Emit, limits: AnomalyLimits) {
    this.#emit = emit
    this.#allowances = new Allowances(limits.reportsPerMinute, limits.sourcesMax)
  }

  /** Reports that were left out. */
  get suppressed(): number {
    return this.#allowances.suppressed
  }

  /** `hosts` says how far the frame was decoded: to its UDP header, to its IP header, or not even that. */
  report(
    frame: Frame,
    name: string,
    layer: string,
    detail: string,
    hosts: 'udp' | 'ip' | 'none',
    fields: AnomalyFields = {},
  ): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    const source = hosts === 'none' ? '' : addressText(frame.ip.bytes, frame.ip.sourceAt, frame.ip.addressLength)
    const suppressed = this.#allowances.take(`${name} ${source}`, frame.timeUs, detail)
    if (suppressed === -1) return
    this.#emit({
      name: 'protocol.anomaly',
      timeUs: frame.timeUs,
      message: `${source === '' ? 'A packet' : `A packet from ${source}`} broke the rules of ${layer}: ${name}${detail === '' ? '' : ` (${detail})`}`,
      fields: {
        ...hostFields(frame, layer, hosts),
        'anomaly.name': name,
        'anomaly.layer': layer,
        'anomaly.detail': detail === '' ? undefined : detail,
        'anomaly.suppressed': suppressed === 0 ? undefined : suppressed,
        ...fields,
      },
    })
  }
}

function hostFields(frame: Frame, layer: string, hosts: 'udp' | 'ip' | 'none'): AnomalyFields {
  if (hosts === 'udp') return outerFields(frame, layer === 'l2tpv3' ? 'l2tpv3' : 'l2tp')
  if (hosts === 'none') return {}
  const { ip } = frame
  return {
    'source.ip': addressText(ip.bytes, ip.sourceAt, ip.addressLength),
    'destination.ip': addressText(ip.bytes, ip.destinationAt, ip.addressLength),
    'network.type': ip.version === 6 ? 'ipv6' : 'ipv4',
    'network.vlan.id': vlanOf(frame),
  }
}
