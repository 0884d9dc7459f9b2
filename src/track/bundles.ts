/** The bundles of links over which PPP multilink spreads frames (RFC 1990). */
import type { Carrier } from './carrier.ts'
import type { PppLink } from './ppp-link.ts'
import type { Role } from './role.ts'

/** Links of one bundle carry the packets of one network link: what they carry is told of the first of them that is still there. */
export class Bundles {
  /** By name, the key of that carrier. */
  readonly #first = new Map<string, number>()

  /** The carrier that the packets of a multilink frame belong to: the one that came in, unless another one of the bundle was first. */
  carrierOf(carrier: Carrier, link: PppLink): number {
    link.bundle ??= nameOf(carrier, link)
    const first = this.#first.get(link.bundle)
    if (first !== undefined) return first
    this.#first.set(link.bundle, carrier.key)
    return carrier.key
  }

  /** The link has ended, or negotiates anew. */
  leave(carrier: Carrier, link: PppLink): void {
    if (link.bundle === undefined) return
    if (this.#first.get(link.bundle) === carrier.key) this.#first.delete(link.bundle)
    link.bundle = undefined
  }
}

/**
 * Links between the same hosts that the same user logged in on, and whose ends named themselves alike, are one bundle (RFC 1990
 * section 5.1.3); a link whose ends did not name themselves is alone.
 */
function nameOf(carrier: Carrier, link: PppLink): string {
  const [first, second] = link.agreed
  if (first.endpoint === undefined || second.endpoint === undefined) return String(carrier.key)
  const hosts = carrier.owner.hosts(carrier, 0)
  const ends = [hosts['source.ip'] ?? hosts['source.mac'], hosts['destination.ip'] ?? hosts['destination.mac']]
  const users = ([0, 1] as const).map((role: Role) => link.loginOf(role).told)
  return JSON.stringify([...ends, first.endpoint, second.endpoint, ...users])
}
