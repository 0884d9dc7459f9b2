/** What makes events fuller, as the configuration wants it: roles and countries of addresses, the inventory, lists of indicators. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Config } from '../config-schema.ts'
import { AssetError, Assets } from '../enrich/assets.ts'
import type { Enricher } from '../enrich/enrichers.ts'
import { Geo, GeoError } from '../enrich/geo.ts'
import { IntelError } from '../enrich/intel/parse.ts'
import { addRoles } from '../enrich/roles.ts'
import { IntelFeeds } from '../intel-feeds.ts'
import { UsageError } from './context.ts'

/** Countries of addresses, in the public domain (CC0): an optional part of the installation. */
const BUILTIN_GEO = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'

/** The table of countries that was installed with Borescope; null where it was left out. */
export function builtinGeo(): string | null {
  try {
    return createRequire(import.meta.url).resolve(BUILTIN_GEO)
  } catch {
    return null
  }
}

/** In the order in which they are asked. @throws {UsageError} that names the file */
export function openEnrichers({ enrich, intel }: Config): readonly Enricher[] {
  const enrichers: Enricher[] = [addRoles]
  try {
    const geo = new Geo()
    for (const path of [...enrich.geo, ...(enrich.builtinGeo ? [builtinGeo()] : [])]) {
      if (path !== null) geo.add(path, readFileSync(path))
    }
    if (geo.size > 0) enrichers.push(geo.enrich)
    if (enrich.assets !== '') enrichers.push(new Assets(enrich.assets, readFileSync(enrich.assets, 'utf8')).enrich)
    const lists = new IntelFeeds(intel.path, intel.entriesMax).open()
    if (lists.size > 0) enrichers.push(lists.enrich)
  } catch (error) {
    if (error instanceof GeoError || error instanceof AssetError || error instanceof IntelError) {
      throw new UsageError(error.message)
    }
    throw error
  }
  return enrichers
}
