/** The bundles of links over which PPP multilink spreads frames (RFC 1990). */
import type { Carrier } from './carrier.ts'
import type { Bundle, PppLink } from './ppp-link.ts'
import type { Role } from './role.ts'

const NO_CARRIER = -1

/** Links of one bundle carry the packets of one network link: what they carry is told of the first of them that is still there. */
export class Bundles {
  readonly #byName = new Map<string, Bundle>()
  #made = 0

  /** The bundle of a link on which a multilink frame came in. */
  of(carrier: Carrier, link: PppLink): Bundle {
    link.bundle ??= this.#join(nameOf(carrier, link))
    if (link.bundle.first === NO_CARRIER) link.bundle.first = carrier.key
    return link.bundle
  }

  /** The link has ended, or negotiates anew. */
  leave(carrier: Carrier, link: PppLink): void {
    const { bundle } = link
    if (bundle === undefined) return
    link.bundle = undefined
    if (bundle.first === carrier.key) bundle.first = NO_CARRIER
    if (--bundle.links === 0) this.#byName.delete(bundle.name)
  }

  #join(name: string): Bundle {
    const known = this.#byName.get(name)
    const bundle = known ?? { number: this.#made++, name, first: NO_CARRIER, links: 0 }
    if (known === undefined) this.#byName.set(name, bundle)
    bundle.links++
    return bundle
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
