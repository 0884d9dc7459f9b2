/** Country, place and autonomous system of addresses, from MMDB files as MaxMind, IPinfo and ip-location-db make them. */
import { Reader, type Response } from 'mmdb-lib'
import type { Enrichable, Enricher } from './enrichers.ts'
import { roleOf } from './roles.ts'

export interface Place {
  readonly country?: string
  readonly latitude?: number
  readonly longitude?: number
  readonly asNumber?: number
  readonly asName?: string
}

/** Something is wrong with a database; the message names it. */
export class GeoError extends Error {
  override readonly name = 'GeoError'
}

const REMEMBERED_MAX = 65_536
const NOWHERE: Place = {}

export class Geo {
  readonly #readers: Reader<Response>[] = []
  readonly #remembered = new Map<string, Place>()

  /**
   * The content of a file; what several say of one address is joined, the first one first.
   *
   * @throws {GeoError} if it is no MMDB file
   */
  add(name: string, content: Buffer): void {
    try {
      this.#readers.push(new Reader(content))
    } catch (error) {
      throw new GeoError(`${name}: no MMDB file: ${error instanceof Error ? error.message : error}`)
    }
  }

  get size(): number {
    return this.#readers.length
  }

  /** What is known of a public address. A file that is damaged inside says nothing of it. */
  lookUp(address: string): Place {
    const known = this.#remembered.get(address)
    if (known !== undefined) return known
    const place = this.#find(address)
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear()
    this.#remembered.set(address, place)
    return place
  }

  readonly enrich: Enricher = (document) => {
    this.#at(document, 'source')
    this.#at(document, 'destination')
    const outer = document['outer.source.ip']
    const { country } = outer === undefined ? NOWHERE : this.lookUp(outer)
    if (country !== undefined) document['outer.source.geo.country_iso_code'] = country
  }

  #at(document: Enrichable, end: 'source' | 'destination'): void {
    const address = document[`${end}.ip`]
    if (address === undefined) return
    const { country, latitude, longitude, asNumber, asName } = this.lookUp(address)
    if (country !== undefined) document[`${end}.geo.country_iso_code`] = country
    if (asNumber !== undefined) document[`${end}.as.number`] = asNumber
    if (asName !== undefined) document[`${end}.as.organization.name`] = asName
    if (end === 'destination' || latitude === undefined || longitude === undefined) return
    document['source.latitude'] = latitude
    document['source.longitude'] = longitude
  }

  #find(address: string): Place {
    if (roleOf(address) !== 'public') return NOWHERE
    let place = NOWHERE
    for (const reader of this.#readers) {
      try {
        place = { ...placeOf(reader.get(address)), ...place }
      } catch {
        // A damaged branch of the tree: the other files may know the address.
      }
    }
    return place
  }
}

/** The two shapes that are in use: nested as MaxMind has it, or flat. */
function placeOf(response: unknown): Place {
  if (typeof response !== 'object' || response === null) return NOWHERE
  const found = response as Record<string, unknown>
  const country = text(nested(found['country'], 'iso_code')) ?? text(found['country_code'])
  const latitude = Number(nested(found['location'], 'latitude') ?? found['latitude'])
  const longitude = Number(nested(found['location'], 'longitude') ?? found['longitude'])
  const asNumber = Number(
    found['autonomous_system_number'] ?? String(found['asn'] ?? '').replace(/^AS/, '') ?? Number.NaN,
  )
  const asName = text(found['autonomous_system_organization']) ?? text(found['as_name'])
  return {
    ...(country === undefined ? {} : { country }),
    ...(Number.isFinite(latitude) && Number.isFinite(longitude) ? { latitude, longitude } : {}),
    ...(asNumber > 0 ? { asNumber } : {}),
    ...(asName === undefined ? {} : { asName }),
  }
}

function nested(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
