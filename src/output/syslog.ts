/**
 * Syslog over UDP (RFC 5426), TCP with octet counting (RFC 6587, 3.4.1) and TLS (RFC 5425). Syslog has no receipts. Over TCP
 * and TLS every batch is a connection of its own, and what a peer has taken is what it answers with an orderly close: then it
 * has read to the end. A reset or silence means that the batch is sent again.
 */
import { once } from 'node:events'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { EventDocument } from '../events/fields.ts'
import { DeliveryError, type DeliveryResult, type Rejection } from './destination.ts'
import type { Sink, SinkAnswer } from './sink.ts'
import { formatSyslog, type SyslogMessageOptions } from './syslog-message.ts'
import { type TlsOptions, tlsOptions } from './tls-options.ts'

export interface SyslogOptions extends SyslogMessageOptions {
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly host: string
  readonly port: number
  readonly tls: TlsOptions
  /** Whether a batch counts as taken only when the peer closes the connection in its turn. */
  readonly awaitClose: boolean
  readonly timeoutMs: number
}

/** How long after the last datagram the peer's machine may still say that nobody listens there. */
const UNREACHABLE_MS = 100

export class SyslogSink implements Sink {
  readonly #options: SyslogOptions

  constructor(options: SyslogOptions) {
    this.#options = options
  }

  get target(): string {
    const { transport, host, port } = this.#options
    return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`
  }

  answer: SinkAnswer | null = null

  preview(batch: readonly EventDocument[]): string {
    return batch.map((document) => formatSyslog(document, this.#options)?.toString() ?? '').join('\n')
  }

  async write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<DeliveryResult> {
    const messages: Buffer[] = []
    const rejected: Rejection[] = []
    for (const [index, document] of batch.entries()) {
      const message = formatSyslog(document, this.#options)
      if (message !== null) messages.push(message)
      else
        rejected.push({
          index,
          id: document['event.id'],
          reason: `does not fit into ${this.#options.maxBytes} octets`,
        })
    }
    if (messages.length > 0) {
      try {
        if (this.#options.transport === 'udp') await this.#sendDatagrams(messages)
        else await this.#sendStream(messages, signal)
      } catch (error) {
        throw new DeliveryError(`${this.target}: ${error instanceof Error ? error.message : error}`, {
          retry: 'later',
          cause: error,
        })
      }
    }
    return { stored: messages.length, duplicates: 0, rejected, later: [] }
  }

  async close(): Promise<void> {}

  async #sendDatagrams(messages: readonly Buffer[]): Promise<void> {
    const { host, port } = this.#options
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
    try {
      const failed = once(socket, 'error').then(([error]) => {
        throw error
      })
      failed.catch(() => {})
      // Connected, so that an ICMP error comes back as an error of the socket.
      await Promise.race([new Promise<void>((resolve) => socket.connect(port, host, resolve)), failed])
      for (const message of messages) await send(socket, message)
      // The immediate comes after what the machine has to say by then, however busy it is.
      const waited = new Promise<void>((resolve) => setTimeout(() => setImmediate(resolve), UNREACHABLE_MS))
      await Promise.race([waited, failed])
    } finally {
      socket.close()
    }
    this.answer = { accepted: true, text: `${messages.length} sent; UDP gives no receipt` }
  }

  #sendStream(messages: readonly Buffer[], signal: AbortSignal | undefined): Promise<void> {
    const { transport, host, port, tls, timeoutMs, awaitClose } = this.#options
    const frames = Buffer.concat(messages.flatMap((message) => [Buffer.from(`${message.length} `), message]))
    return new Promise((resolve, reject) => {
      const socket: Socket =
        transport === 'tls' ? connectTls({ host, port, ...tlsOptions(tls, host) }) : connectTcp({ host, port })
      let isSent = false
      let isRead = false
      const fail = (error: Error) => {
        socket.destroy()
        this.answer = { accepted: false, text: error.message }
        reject(error)
      }
      const timer = setTimeout(
        () => fail(new Error(`${isSent ? 'no orderly close' : 'no connection'} within ${timeoutMs} ms`)),
        timeoutMs,
      )
      const stop = () => fail(new Error('stopped'))
      if (signal?.aborted) return stop()
      signal?.addEventListener('abort', stop, { once: true })
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
      }
      const succeed = (text: string) => {
        settle()
        this.answer = { accepted: true, text }
        resolve()
      }
      socket.on('error', (error) => {
        settle()
        fail(error)
      })
      // What the peer says is not part of the protocol, but its end is.
      socket.on('data', () => {})
      socket.on('end', () => {
        isRead = true
        if (isSent) return
        settle()
        fail(new Error('the peer closed the connection before everything was sent'))
      })
      socket.on('close', () => {
        if (isSent && isRead) succeed(`${messages.length} sent; closed in order by the peer`)
      })
      socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () => {
        socket.end(frames, () => {
          isSent = true
          if (awaitClose) return
          socket.destroySoon()
          succeed(`${messages.length} sent; the close of the peer was not awaited`)
        })
      })
    })
  }
}

function send(socket: UdpSocket, message: Buffer): Promise<void> {
  return new Promise((resolve, reject) => socket.send(message, (error) => (error === null ? resolve() : reject(error))))
}
