/**
 * IKEv1 messages that were sent in pieces (the FRAGMENTATION vendor id, payload 132): Windows and many gateways cut
 * messages with certificates so. Pieces of one message share its cookies and a packet number; the last one says so.
 */

const PIECES_MAX = 64
const BYTES_MAX = 65_536

interface Assembly {
  readonly pieces: (Uint8Array | undefined)[]
  /** How many there are; 0 until the last one was seen. */
  total: number
  bytes: number
}

export class IkeFragments {
  readonly #max: number
  readonly #assemblies = new Map<string, Assembly>()

  /** `max` messages are put together at one time; a further one ends the oldest. */
  constructor(max: number) {
    this.#max = max
  }

  /** Adds piece `number` (from 1) of the message `key`; the whole message when this was the one that lacked, or null. */
  add(key: string, number: number, isLast: boolean, piece: Uint8Array): Uint8Array | null {
    if (number === 0 || number > PIECES_MAX) return null
    const assembly = this.#assemblyOf(key)
    if (assembly.pieces[number] === undefined) {
      assembly.bytes += piece.length
      if (assembly.bytes > BYTES_MAX) {
        this.#assemblies.delete(key)
        return null
      }
      assembly.pieces[number] = piece.slice()
    }
    if (isLast) assembly.total = number
    const { pieces, total } = assembly
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

  #assemblyOf(key: string): Assembly {
    const known = this.#assemblies.get(key)
    if (known !== undefined) return known
    if (this.#assemblies.size >= this.#max) this.#assemblies.delete(this.#assemblies.keys().next().value as string)
    const assembly: Assembly = { pieces: [], total: 0, bytes: 0 }
    this.#assemblies.set(key, assembly)
    return assembly
  }
}
