/** The outermost IP header of a frame, which the frame may have left for one further inside. */
import type { Frame } from '../dissect/frame.ts'
import { IpView } from '../wire/ip.ts'
import { ETHERTYPE } from '../wire/link.ts'

export class OuterHeader {
  readonly #own = new IpView()

  /** Null without one. The view holds until the next call, or the next frame. */
  of(frame: Frame): IpView | null {
    const { ip, link, bytes, depth, start, end } = frame
    if (link.etherType !== ETHERTYPE.IPV4 && link.etherType !== ETHERTYPE.IPV6) return null
    if (depth === 0 && ip.bytes === bytes && ip.headerStart === link.payloadStart)
      return ip.addressLength > 0 ? ip : null
    if (link.payloadStart < start || link.payloadEnd > end) return null
    return this.#own.decode(bytes, link.payloadStart, link.payloadEnd) === null ? this.#own : null
  }
}
