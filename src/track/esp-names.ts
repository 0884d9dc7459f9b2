/**
 * Where the association of a packet is found: by both ends (addresses, and ports where UDP or TCP carries it), the kind of
 * carriage, and the SPI; by the addresses alone where an end may have moved to another port; and by the ends alone, the one that
 * began last.
 */
import { mixPair } from '../base/hash.ts'
import { PairTable } from '../base/pair-table.ts'
import type { Carriage, EspAssociation } from './esp-association.ts'

export class EspNames {
  /** (ends and carriage, SPI) → association. */
  readonly #byName: PairTable
  /** (addresses and carriage, SPI) → association. */
  readonly #byAddresses: PairTable
  /** (source, destination) → association. */
  readonly #latest: PairTable

  constructor(capacity: number) {
    this.#byName = new PairTable(capacity)
    this.#byAddresses = new PairTable(capacity)
    this.#latest = new PairTable(capacity)
  }

  /** Of two endpoints. The answer may be an association of other ends, whose name only looks the same. */
  find(source: number, destination: number, carriage: Carriage, spi: number): number {
    return this.#byName.find(mixPair(source * 4 + carriage, destination), spi)
  }

  /** Of hosts, whatever their ports. */
  findElsewhere(addresses: number, carriage: Carriage, spi: number): number {
    return this.#byAddresses.find(mixPair(addresses, carriage), spi)
  }

  /** The one between two endpoints, in that direction, that came last. */
  latest(source: number, destination: number): number {
    return this.#latest.find(source, destination)
  }

  insert({ index, source, destination, carriage, spi, addresses }: EspAssociation): void {
    this.#byName.insert(mixPair(source * 4 + carriage, destination), spi, index)
    this.#byAddresses.insert(mixPair(addresses, carriage), spi, index)
    this.#latest.insert(source, destination, index)
  }

  /** Names that another association has taken since stay. */
  remove({ index, source, destination, carriage, spi, addresses }: EspAssociation): void {
    const name = mixPair(source * 4 + carriage, destination)
    if (this.#byName.find(name, spi) === index) this.#byName.remove(name, spi)
    const place = mixPair(addresses, carriage)
    if (this.#byAddresses.find(place, spi) === index) this.#byAddresses.remove(place, spi)
    if (this.#latest.find(source, destination) === index) this.#latest.remove(source, destination)
  }
}
