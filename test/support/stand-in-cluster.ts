/**
 * A small cluster that behaves badly, over HTTP: it keeps the ids of events, knows those that it has, and now and then answers
 * 429 or 503, refuses or puts off single events, hangs, breaks connections off before or after it has stored what they
 * brought, and finds requests too large.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Random } from './random.ts'

export const MOODS = ['429', '503', 'hang', 'reset', 'reset after storing', 'put off', 'too large'] as const
type Mood = 'fine' | (typeof MOODS)[number]

export interface Answer {
  readonly status: 'stored' | 'duplicate' | 'rejected' | 'later'
}

export class StandInCluster {
  readonly ids = new Set<string>()
  /** How often each mood was met with. */
  readonly met = new Map<Mood, number>()
  /** Events that were sent although they were there. */
  duplicates = 0
  readonly #server: Server
  readonly #random: Random
  #mood: Mood = 'fine'
  #moods = 0
  #requestsLeft = 0

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Moods last for some requests, and good ones for longer. */
  #nextMood(): Mood {
    if (this.#requestsLeft-- <= 0) {
      this.#mood = this.#mood === 'fine' ? MOODS[this.#moods++ % MOODS.length] : 'fine'
      this.#requestsLeft = this.#mood === 'fine' ? 20 + this.#random.below(60) : 1 + this.#random.below(4)
    }
    this.met.set(this.#mood, (this.met.get(this.#mood) ?? 0) + 1)
    return this.#mood
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const mood = this.#nextMood()
    let body = ''
    try {
      for await (const piece of request.setEncoding('utf8')) body += piece
    } catch {
      return // the sender was killed
    }
    if (mood === 'hang') return
    if (mood === 'reset') return void request.socket.destroy()
    if (mood === '429' || mood === '503') {
      response.writeHead(Number(mood), mood === '429' ? { 'retry-after': '0.05' } : {}).end()
      return
    }
    const ids = JSON.parse(body) as string[]
    if (mood === 'too large' && ids.length > 3) return void response.writeHead(413).end()
    const answers = ids.map((id) => ({ status: this.#take(id, mood) }))
    if (mood === 'reset after storing') return void request.socket.destroy()
    response.end(JSON.stringify(answers satisfies Answer[]))
  }

  #take(id: string, mood: Mood): Answer['status'] {
    if (id.endsWith('777')) return 'rejected'
    if (mood === 'put off' && id.endsWith('3')) return 'later'
    if (this.ids.has(id)) {
      this.duplicates++
      return 'duplicate'
    }
    this.ids.add(id)
    return 'stored'
  }
}
