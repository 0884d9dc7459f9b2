/** What is wrong with messages of IKE, told within bounds. */
import { addressText } from '../base/address.ts'
import type { IkeDescription } from '../wire/ike-describe.ts'
import { Allowances } from './allowances.ts'
import type { Anomalies } from './anomalies.ts'
import type { Arrival, Exchange } from './ike-exchange.ts'

/** Findings of one name about what one host receives. */
const FINDINGS_PER_MINUTE = 300
const RECEIVERS_MAX = 4096

export class IkeFindings {
  readonly allowances = new Allowances(FINDINGS_PER_MINUTE, RECEIVERS_MAX)
  readonly #anomalies: Anomalies

  constructor(anomalies: Anomalies) {
    this.#anomalies = anomalies
  }

  /** Findings that were counted, and not told. */
  get suppressed(): number {
    return this.allowances.suppressed
  }

  /** `Anomalies` bounds what is told of one sender; forged senders are many, so that here the receiver counts as well. */
  report({ frame }: Arrival, finding: string, detail: string, exchange: Exchange | null = null): void {
    const { ip, timeUs, number } = frame
    const receiver = addressText(ip.bytes, ip.destinationAt, ip.addressLength)
    if (this.allowances.take(`${finding} ${receiver}`, timeUs, String(number)) === -1) return
    this.#anomalies.report(frame, finding, 'ike', detail, 'udp', {
      'network.protocol': 'ike',
      ...(exchange === null ? {} : { 'ike.uid': exchange.uid, 'borescope.lineage': [exchange.uid] }),
    })
  }

  /** Each flaw of a message once. */
  reportFlaws(arrival: Arrival, exchange: Exchange | null, { flaws, exchange: name }: IkeDescription): void {
    for (const flaw of new Set(flaws)) this.report(arrival, flaw, name, exchange)
  }
}
