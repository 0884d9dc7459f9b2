/**
 * The writing half of the embedded store, on a thread of its own: a commit of 1024 events takes a twentieth of a second,
 * in which the packet path must not stand still. What has come in the meantime shares the next commit.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { EventDocument } from '../events/fields.ts'
import { Codec, type EncodedEvent, insertEvent } from './codec.ts'
import { explained, openForWriting, pragma } from './database.ts'
import { ENTER_SPANS, LEAVE_SPANS, readNumbering } from './layout.ts'
import { type Rejection, type Retry, StoreError, type WriteResult } from './search.ts'

interface WriteRequest {
  readonly type: 'write'
  readonly parts: readonly (readonly EventDocument[])[]
}

/** Begins a pruning, or goes on with the one that is under way: for one step, so that writes have their turn. */
interface PruneRequest {
  readonly type: 'prune'
  readonly beforeUs: number | null
  readonly maxBytes: number | null
}

/** What the store asks. Each request has its answer, in the same order; a write is committed when it is answered. */
export type WorkerRequest = WriteRequest | PruneRequest | { readonly type: 'close' }

export interface WorkerOptions {
  readonly path: string
  /** A commit takes no further request when it has so many events. */
  readonly commitEventsMax: number
}

export type WorkerReply =
  | { readonly results: readonly WriteResult[] }
  | { readonly pruned: number; readonly isOver: boolean }
  | { readonly error: string; readonly retry: Retry }

/** Events that one commit of a pruning takes away. */
const PRUNE_BATCH = 2048
/** Pages that one step of merging the full-text index may write, and how many steps may follow a pruning. */
const MERGE_PAGES = 256
const MERGE_STEPS_MAX = 4096
/** Pages that one step of giving free pages back to the system moves. */
const VACUUM_PAGES = 2048
/** The size after a pruning is an estimate; each round corrects the one before. */
const PRUNE_ROUNDS_MAX = 8

class Writer {
  readonly #database: DatabaseSync
  readonly #codec: Codec
  readonly #removals: Record<'words' | 'event', StatementSync>
  readonly #enterSpans: StatementSync
  /** The number of the first event of the commit under way. */
  #first: number | null = null
  #insertEvent: (event: EncodedEvent) => number | null

  constructor(path: string) {
    const database = openForWriting(path)
    this.#database = database
    this.#codec = new Codec(readNumbering(database))
    this.#insertEvent = insertEvent(database)
    this.#enterSpans = database.prepare(ENTER_SPANS)
    this.#removals = {
      words: database.prepare('DELETE FROM words WHERE rowid = ?'),
      event: database.prepare('DELETE FROM events WHERE id = ?'),
    }
  }

  /** Writes what the requests hold in one commit. */
  write(requests: Iterable<WriteRequest>): WriteResult[][] {
    return this.#transaction(() => {
      this.#first = null
      const results = Array.from(requests, ({ parts }) => parts.map((part) => this.#writePart(part)))
      if (this.#first !== null) this.#enterSpans.run(this.#first)
      return results
    })
  }

  #writePart(documents: readonly EventDocument[]): WriteResult {
    let stored = 0
    let duplicates = 0
    const rejected: Rejection[] = []
    for (const [index, document] of documents.entries()) {
      const outcome = this.#insert(document, index)
      if (outcome === 'stored') stored++
      else if (outcome === 'duplicate') duplicates++
      else rejected.push(outcome)
    }
    return { stored, duplicates, rejected, later: [] }
  }

  #insert(document: EventDocument, index: number): 'stored' | 'duplicate' | Rejection {
    const encoded = this.#codec.encode(document)
    if (typeof encoded === 'string') return { index, id: idOf(document), reason: encoded }
    const number = this.#insertEvent(encoded)
    if (number === null) return 'duplicate'
    this.#first ??= number
    return 'stored'
  }

  /** Takes the oldest events away, in steps, and yields how many went in each. Between them the file is in order. */
  *prune(beforeUs: number | null, maxBytes: number | null): Generator<number, void> {
    if (beforeUs !== null) {
      const old = this.#database.prepare('SELECT count(*) AS n FROM events WHERE "@timestamp" < ?').get(beforeUs)
      yield* this.#removeOldest(Number(old?.['n']))
    }
    const last = this.#lastNumber()
    for (let round = 0; maxBytes !== null && round < PRUNE_ROUNDS_MAX; round++) {
      const all = this.#bytesUsed()
      if (all <= maxBytes) break
      // Only then: to count them is to read an index as a whole.
      const events = Number(this.#database.prepare('SELECT count(*) AS n FROM events').get()?.['n'])
      // What came meanwhile is for the next pruning: this one would never catch up with it.
      const old = events - (this.#lastNumber() - last)
      const used = all * (old / Math.max(events, 1))
      if (old <= 0 || used <= maxBytes) break
      yield* this.#removeOldest(Math.ceil(old * (1 - maxBytes / used)))
    }
    for (let left = pragma(this.#database, 'freelist_count'); left > 0; left -= VACUUM_PAGES) {
      this.#database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`)
      yield 0
    }
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** The highest number that an event ever had: those with the highest may be the oldest, and gone. */
  #lastNumber(): number {
    return Number(this.#database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get()?.['seq'] ?? 0)
  }

  #bytesUsed(): number {
    const pages = pragma(this.#database, 'page_count') - pragma(this.#database, 'freelist_count')
    return pages * pragma(this.#database, 'page_size')
  }

  *#removeOldest(count: number): Generator<number, void> {
    const oldest = this.#database.prepare('SELECT id FROM events ORDER BY "@timestamp", id LIMIT ?')
    let removed = 0
    while (removed < count) {
      const rows = oldest.all(Math.min(PRUNE_BATCH, count - removed))
      if (rows.length === 0) break
      this.#transaction(() => {
        for (const { id } of rows) {
          this.#removals.words.run(id)
          this.#removals.event.run(id)
        }
      })
      removed += rows.length
      yield rows.length
    }
    if (removed === 0) return
    this.#database.exec(LEAVE_SPANS)
    yield* this.#mergeWords()
  }

  /**
   * The full-text index frees the space of deleted events only when its segments are merged, and merges them only where a tenth of their
   * events are gone ('deletemerge', https://sqlite.org/fts5.html): else the whole index would be written anew however few events go.
   */
  *#mergeWords(): Generator<number, void> {
    const merge = this.#database.prepare('INSERT INTO words (words, rank) VALUES (?, ?)')
    const changes = this.#database.prepare('SELECT total_changes() AS n')
    for (let step = 0; step < MERGE_STEPS_MAX; step++) {
      const before = Number(changes.get()?.['n'])
      merge.run('merge', MERGE_PAGES)
      const after = Number(changes.get()?.['n'])
      // Fewer than two changes: nothing was left to merge (https://sqlite.org/fts5.html, "The 'merge' Command").
      if (step > 0 && after - before < 2) return
      yield 0
    }
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      // What was learnt about `commons` in this transaction is undone with it.
      this.#insertEvent = insertEvent(this.#database)
      throw error
    }
  }

  close(): void {
    try {
      this.#database.exec('PRAGMA optimize')
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // A full disk: what was committed stays in the log beside the file, and whoever opens it next finds it there.
    } finally {
      this.#database.close()
    }
  }
}

function idOf(document: EventDocument): string {
  const id: unknown = document['event.id']
  return typeof id === 'string' ? id : ''
}

/** Answers requests in their order. */
class Service {
  readonly #options: WorkerOptions
  readonly #port: MessagePort
  readonly #writer: Writer
  /** The request that ended a commit, because it is no write. */
  #next: WorkerRequest | null = null
  /** Requests that the work under way answers. */
  #taken = 0
  /** What is left of a pruning. */
  #pruning: Generator<number, void> | null = null

  constructor(options: WorkerOptions, port: MessagePort) {
    this.#options = options
    this.#port = port
    this.#writer = new Writer(options.path)
    port.on('message', (request: WorkerRequest) => {
      for (this.#next = request; this.#next !== null; ) this.#serve(this.#next)
    })
  }

  #serve(request: WorkerRequest): void {
    this.#next = null
    this.#taken = 1
    let replies: WorkerReply[]
    try {
      replies = explained(this.#options.path, () => this.#answer(request))
    } catch (error) {
      const retry = error instanceof StoreError ? error.retry : 'never'
      replies = new Array<WorkerReply>(this.#taken).fill({ error: (error as Error).message, retry })
    }
    for (const reply of replies) this.#port.postMessage(reply)
    if (request.type === 'close') this.#port.close()
  }

  /** The answers to a request and, if it is a write, to those that share its commit. */
  #answer(request: WorkerRequest): WorkerReply[] {
    if (request.type === 'write') return this.#writer.write(this.#gather(request)).map((results) => ({ results }))
    if (request.type === 'prune') return [this.#prune(request)]
    this.#writer.close()
    return [{ pruned: 0, isOver: true }]
  }

  #prune({ beforeUs, maxBytes }: PruneRequest): WorkerReply {
    const pruning = this.#pruning ?? this.#writer.prune(beforeUs, maxBytes)
    // One that fails is over.
    this.#pruning = null
    const { value, done } = pruning.next()
    if (done === true) return { pruned: 0, isOver: true }
    this.#pruning = pruning
    return { pruned: value as number, isOver: false }
  }

  /** The requests of one commit: what waits already, as far as there is room. */
  *#gather(first: WriteRequest): Generator<WriteRequest> {
    let events = 0
    let request: WorkerRequest | undefined = first
    while (request?.type === 'write') {
      yield request
      for (const part of request.parts) events += part.length
      if (events >= this.#options.commitEventsMax) return
      request = receiveMessageOnPort(this.#port)?.message as WorkerRequest | undefined
      if (request?.type === 'write') this.#taken++
      else this.#next = request ?? null
    }
  }
}

if (parentPort !== null) new Service(workerData as WorkerOptions, parentPort)
