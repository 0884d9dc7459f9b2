/**
 * IKEv1 messages that were sent in pieces (the FRAGMENTATION vendor id, payload 132): Windows and many gateways cut
 * messages with certificates so. Pieces of one message share its cookies and a packet number; the last one says so.
 */
import { equal } from '../base/bytes.ts'

const PIECES_MAX = 64
const BYTES_MAX = 65_536

/**
 * `ike.fragment_number`: no piece has this number, or the last one was another. `ike.fragment_conflict`: the piece came before,
 * with other content; the first one counts. `ike.fragment_size`: the message would be larger than any datagram.
 */
export type IkeFragmentFinding = 'ike.fragment_number' | 'ike.fragment_conflict' | 'ike.fragment_size'

interface Assembly {
  readonly pieces: (Uint8Array | undefined)[]
  /** How many there are; 0 until the last one was seen. */
  total: number
  bytes: number
}

export class IkeFragments {
  /** What was wrong with the piece that came last. */
  finding: IkeFragmentFinding | null = null
  readonly #max: number
  readonly #assemblies = new Map<string, Assembly>()

  /** `max` messages are put together at one time; a further one ends the oldest. */
  constructor(max: number) {
    this.#max = max
  }

  /** Adds piece `number` (from 1) of the message `key`; the whole message when this was the one that lacked, or null. */
  add(key: string, number: number, isLast: boolean, piece: Uint8Array): Uint8Array | null {
    this.finding = null
    if (number === 0 || number > PIECES_MAX) return this.#refuse('ike.fragment_number')
    const assembly = this.#assemblyOf(key)
    const { pieces } = assembly
    if (isLast ? pieces.length > number + 1 : assembly.total !== 0 && number >= assembly.total)
      return this.#refuse('ike.fragment_number')
    const known = pieces[number]
    if (known !== undefined) {
      const isSame = known.length === piece.length && equal(known, 0, piece, 0, piece.length)
      return isSame ? null : this.#refuse('ike.fragment_conflict')
    }
    assembly.bytes += piece.length
    if (assembly.bytes > BYTES_MAX) {
      this.#assemblies.delete(key)
      return this.#refuse('ike.fragment_size')
    }
    pieces[number] = piece.slice()
    if (isLast) assembly.total = number
    return this.#whole(key, assembly)
  }

  #whole(key: string, { pieces, total }: Assembly): Uint8Array | null {
    if (total === 0) return null
    const all: Uint8Array[] = []
    for (let i = 1; i <= total; i++) {
      const found = pieces[i]
      if (found === undefined) return null
      all.push(found)
    }
    this.#assemblies.delete(key)
    return Uint8Array.from(Buffer.concat(all))
  }

  #refuse(finding: IkeFragmentFinding): null {
    this.finding = finding
    return null
  }

  #assemblyOf(key: string): Assembly {
    const known = this.#assemblies.get(key)
    if (known !== undefined) return known
    if (this.#assemblies.size >= this.#max) this.#assemblies.delete(this.#assemblies.keys().next().value as string)
    const assembly: Assembly = { pieces: [], total: 0, bytes: 0 }
    this.#assemblies.set(key, assembly)
    return assembly
  }
}
