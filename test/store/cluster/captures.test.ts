/**
 * Every event of every capture goes into a live server: each is taken, every field of it is indexed, and what comes back is
 * what was sent. Captures beside the project are taken in as well, where there are any.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { capturePaths } from '../../../src/capture/paths.ts'
import { CaptureError } from '../../../src/capture/sources.ts'
import type { EventDocument } from '../../../src/events/fields.ts'
import { ask } from '../../../src/store/cluster/client.ts'
import { Encoder } from '../../../src/store/cluster/documents.ts'
import { Lines } from '../../../src/store/cluster/lines.ts'
import { MAPPED_MAX } from '../../../src/store/cluster/mapping.ts'
import type { ClusterStore } from '../../../src/store/cluster/store.ts'
import { replayEvents } from '../../support/replay.ts'
import { type KindName, unavailable } from '../../support/servers/servers.ts'
import { LiveStores } from './live.ts'

const SHIPPED = join(import.meta.dirname, '../../../pcaps')
const MORE = process.env['BORESCOPE_CAPTURES'] ?? resolve(import.meta.dirname, '../../../../shared/captures')
const KINDS = ['opensearch3', 'elasticsearch'] as const satisfies readonly KindName[]
const BATCH = 1000

if (!existsSync(MORE)) {
  process.stderr.write(`\n*** No captures at ${MORE}: only those in pcaps/ are stored. Set BORESCOPE_CAPTURES.\n\n`)
}
const { captures } = await capturePaths([SHIPPED, ...(existsSync(MORE) ? [MORE] : [])])

let replayed: Promise<readonly EventDocument[]> | undefined

/** The events of all captures, one after the other. */
function allEvents(): Promise<readonly EventDocument[]> {
  replayed ??= (async () => {
    const all: EventDocument[] = []
    for (const capture of captures) {
      const events = await replayEvents(capture, { secrets: ['tunnelsecret'] }).catch((error: unknown) => {
        if (error instanceof CaptureError) return []
        throw error
      })
      for (const event of events) all.push(event)
    }
    return all
  })()
  return replayed
}

test(`the catalogue foresees every field of the events of ${captures.length} captures`, async () => {
  const wrong = new Set<string>()
  const encoder = new Encoder('default')
  const lines = new Lines()
  for (const event of await allEvents()) {
    const encoded = encoder.encode(event, 0, lines)
    if (typeof encoded === 'string') wrong.add(encoded)
    else for (const field of encoded.beyond) wrong.add(`${field} in ${event['event.action']}`)
  }
  expect([...wrong]).toEqual([])
})

for (const kind of KINDS) {
  describe.skipIf(await unavailable(kind))(kind, () => {
    let stores: LiveStores
    let store: ClusterStore
    let namespace: string
    const sent = new Map<string, EventDocument>()

    beforeAll(async () => {
      stores = await LiveStores.on(kind)
      namespace = stores.namespace()
      store = await stores.open(namespace)
    })
    afterAll(async () => {
      await store.close()
      await stores.remove()
    })

    test('takes every one of them', async () => {
      const events = await allEvents()
      for (let from = 0; from < events.length; from += BATCH) {
        const batch = events.slice(from, from + BATCH)
        const before = sent.size
        for (const event of batch) if (!sent.has(event['event.id'])) sent.set(event['event.id'], event)
        const stored = sent.size - before
        const duplicates = batch.length - stored
        expect(await store.write(batch)).toEqual({ stored, duplicates, rejected: [], later: [] })
      }
      expect(await store.count({})).toBe(sent.size)
      expect(sent.size).toBeGreaterThan(1000)
    })

    test('ignores no field of them', async () => {
      const client = await stores.client()
      const path = `/*-borescope.*-${namespace}/_count`
      const body = { query: { exists: { field: '_ignored' } } }
      expect(await ask(client, { method: 'POST', path, body })).toMatchObject({ count: 0 })
      await client.close()
    })

    test('gives every one of them back as it was', async () => {
      let count = 0
      for await (const found of store.search({})) {
        count++
        expect(found).toEqual(withoutUndefined(sent.get(found['event.id']) as EventDocument))
      }
      expect(count).toBe(sent.size)
    })

    test(`maps every field that they hold, and in no index more than ${MAPPED_MAX}`, async () => {
      const client = await stores.client()
      const reply = await ask<Record<string, { mappings: Record<string, unknown> }>>(client, {
        method: 'GET',
        path: `/*-borescope.*-${namespace}/_mapping`,
      })
      await client.close()
      expect(Object.keys(reply).length).toBeGreaterThan(10)
      const streams = new Map<string, Set<string>>()
      for (const [index, { mappings }] of Object.entries(reply)) {
        const names = namesOf(mappings['properties'] as object)
        expect({ index, isBelow: names.length < MAPPED_MAX, dynamic: mappings['dynamic'] }).toEqual({
          index,
          isBelow: true,
          dynamic: 'false',
        })
        const stream = /borescope\.[a-z0-9]+/.exec(index)?.[0] ?? ''
        streams.set(stream, new Set([...(streams.get(stream) ?? []), ...names]))
      }
      const unmapped = new Set<string>()
      for (const event of sent.values()) {
        const dataset = event['event.dataset'] as string
        for (const name of Object.keys(withoutUndefined(event))) {
          if (streams.get(dataset)?.has(name) !== true) unmapped.add(`${name} in ${dataset}`)
        }
      }
      expect([...unmapped]).toEqual([])
    })
  })
}

function withoutUndefined(event: EventDocument): EventDocument {
  return JSON.parse(JSON.stringify(event)) as EventDocument
}

/** Every field and object of a mapping. */
function namesOf(properties: object, prefix = ''): string[] {
  return Object.entries(properties).flatMap(([name, { properties: inner }]) => [
    `${prefix}${name}`,
    ...(inner === undefined ? [] : namesOf(inner, `${prefix}${name}.`)),
  ])
}
