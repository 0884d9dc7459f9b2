/** What the AVPs of an L2TP control message show besides their values: findings about them, and what was hidden in them. */
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import type { ControlDescription } from '../wire/l2tp-avp.ts'
import type { Anomalies } from './anomalies.ts'
import type { Dialect, SpokenMessage } from './dialect.ts'
import { hostsOf } from './outer.ts'
import type { Tunnel } from './tunnel.ts'

export class AvpFindings {
  readonly #dialect: Dialect
  readonly #emit: Emit
  readonly #anomalies: Anomalies

  constructor(dialect: Dialect, emit: Emit, anomalies: Anomalies) {
    this.#dialect = dialect
    this.#emit = emit
    this.#anomalies = anomalies
  }

  /** Each finding on each kind of AVP once a message. */
  report(frame: Frame, tunnel: Tunnel | null, description: SpokenMessage): void {
    const isPlain = description.findings.length === 0 && description.flaw === null
    if (isPlain && !description.avps.some(({ recovery }) => recovery !== undefined)) return
    const { protocol } = this.#dialect
    const hosts = frame.hasUdp ? 'udp' : 'ip'
    const fields = {
      'l2tp.message.type': description.messageName,
      'l2tp.tunnel.target_id': this.#dialect.header(frame).tunnelId,
      'l2tp.session.target_id': description.sessionId,
      ...(tunnel === null ? {} : { 'l2tp.tunnel.uid': tunnel.uid, 'borescope.lineage': tunnel.lineage }),
    }
    const told = new Set<string>()
    for (const avp of description.avps) {
      const of = avp.vendorId === 0 ? '' : ` of vendor ${avp.vendorId}`
      const detail = `${description.messageName}: AVP ${avp.type} (${avp.name})${of}`
      for (const finding of avp.findings) {
        if (told.has(`${finding} ${detail}`)) continue
        told.add(`${finding} ${detail}`)
        this.#anomalies.report(frame, finding, protocol, detail, hosts, fields)
      }
      if (avp.recovery === undefined || told.has(detail)) continue
      told.add(detail)
      this.#reportHidden(frame, tunnel, description, avp, avp.recovery)
    }
    if (description.flaw !== null)
      this.#anomalies.report(frame, description.flaw, protocol, description.messageName, hosts, fields)
  }

  #reportHidden(
    frame: Frame,
    tunnel: Tunnel | null,
    { messageName: message, sessionId }: SpokenMessage,
    avp: ControlDescription['avps'][number],
    verdict: string,
  ): void {
    const { value } = avp
    const outer = hostsOf(frame, this.#dialect.protocol)
    this.#emit({
      name: 'l2tp.avp.hidden',
      timeUs: frame.timeUs,
      message: `${outer['source.ip']} hid AVP ${avp.type} (${avp.name}) in ${message}: ${verdict}`,
      fields: {
        ...outer,
        'l2tp.version': this.#dialect.version,
        'l2tp.message.type': message,
        'l2tp.avp.type': avp.type,
        'l2tp.avp.name': avp.name,
        'l2tp.avp.vendor_id': avp.vendorId,
        'l2tp.avp.verdict': verdict,
        'l2tp.avp.value':
          value === undefined ? undefined : typeof value === 'object' ? JSON.stringify(value) : String(value),
        'l2tp.tunnel.target_id': this.#dialect.header(frame).tunnelId,
        'l2tp.session.target_id': sessionId,
        'l2tp.tunnel.uid': tunnel?.uid,
        'borescope.lineage': tunnel?.lineage,
      },
    })
  }
}
