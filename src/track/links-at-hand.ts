/** The PPP links that were spoken of lately, as records; every other one is packed. */
import type { Carrier } from './carrier.ts'
import { packLink, unpackLink } from './packed-ppp.ts'
import { PppLink } from './ppp-link.ts'

/** A record takes some 700 bytes: those of a million links would take more than all else that is known of them. */
const AT_HAND_MAX = 16_384

export class LinksAtHand {
  readonly #max: number
  /** A ring of the carriers whose links were taken up last; some may have ended since. */
  readonly #carriers: Carrier[] = []
  #taken = 0

  constructor(max = AT_HAND_MAX) {
    this.#max = max
  }

  /** The link of a carrier, to be written to; a new one if it has none. */
  of(carrier: Carrier): PppLink {
    const { link } = carrier
    if (link instanceof PppLink) return link
    const taken = link === null ? new PppLink() : unpackLink(link, carrier.userName)
    const place = this.#taken++ % this.#max
    if (place < this.#carriers.length) putAway(this.#carriers[place])
    this.#carriers[place] = carrier
    // Only now: an earlier link of the same carrier may have been the one to be put away.
    carrier.link = taken
    return taken
  }
}

/** What the packed form has no room for stays as it is. */
function putAway(carrier: Carrier): void {
  const { link, userName } = carrier
  if (link instanceof PppLink && link.isPlain) carrier.link = packLink(link, userName)
}
