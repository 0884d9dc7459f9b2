/** Mail over SMTP, with TLS from the start or after STARTTLS. */
import type { Transporter } from 'nodemailer'
import type SMTPTransport from 'nodemailer/lib/smtp-transport/index.js'
import { clip, printable } from '../base/printable.ts'
import type { EventDocument } from '../events/fields.ts'
import { DeliveryError, type DeliveryResult } from './destination.ts'
import { emailOf } from './email-message.ts'
import type { Sink, SinkAnswer } from './sink.ts'
import { type TlsOptions, tlsOptions } from './tls-options.ts'

export interface EmailOptions {
  readonly host: string
  readonly port: number
  /** `starttls` refuses a server that does not offer it. */
  readonly security: 'tls' | 'starttls' | 'none'
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly from: string
  readonly to: readonly string[]
  readonly subjectPrefix: string
  /** Whether what is sent together becomes one mail. */
  readonly digest: boolean
  readonly tls: TlsOptions
  readonly timeoutMs: number
}

/** The error of nodemailer, as far as we read it. */
interface SmtpError extends Error {
  readonly responseCode?: number
  readonly command?: string
}

export class EmailSink implements Sink {
  readonly #options: EmailOptions
  #transport: Promise<Transporter<SMTPTransport.SentMessageInfo>> | null = null
  readonly #domain: string
  answer: SinkAnswer | null = null

  constructor(options: EmailOptions) {
    this.#options = options
    this.#domain = /@([A-Za-z0-9.-]+)>?\s*$/.exec(options.from)?.[1] ?? 'borescope.invalid'
  }

  get target(): string {
    const { host, port, security, to } = this.#options
    return `smtp${security === 'tls' ? 's' : ''}://${host}:${port} to ${to.join(', ')}`
  }

  preview(batch: readonly EventDocument[]): string {
    const { from, to } = this.#options
    return this.#mailsOf(batch)
      .map(({ documents }) => {
        const { subject, text, messageId, inReplyTo } = emailOf(documents, this.#domain, this.#options.subjectPrefix)
        const head = [`From: ${from}`, `To: ${to.join(', ')}`, `Subject: ${subject}`, `Message-ID: ${messageId}`]
        if (inReplyTo !== undefined) head.push(`In-Reply-To: ${inReplyTo}`)
        return `${head.join('\n')}\n\n${text}`
      })
      .join('\n')
  }

  async write(batch: readonly EventDocument[], signal?: AbortSignal): Promise<DeliveryResult> {
    const rejected: { index: number; id: string; reason: string }[] = []
    let stored = 0
    for (const { documents, from } of this.#mailsOf(batch)) {
      try {
        await orAborted(this.#send(documents), signal)
        stored += documents.length
      } catch (error) {
        const reason = this.#reasonOf(error)
        this.answer = { accepted: false, text: reason }
        const at = (index: number) => ({ index, id: batch[index]['event.id'], reason })
        if (isRefused(error)) {
          for (let index = from; index < from + documents.length; index++) rejected.push(at(index))
          continue
        }
        if (from === 0) throw new DeliveryError(reason, { retry: 'later', cause: error })
        const later = Array.from({ length: batch.length - from }, (_, offset) => at(from + offset))
        return { stored, duplicates: 0, rejected, later }
      }
    }
    return { stored, duplicates: 0, rejected, later: [] }
  }

  async close(): Promise<void> {
    const transport = await this.#transport
    transport?.close()
  }

  /** The library is loaded when a mail is to be sent: no other command shall wait for it. */
  async #connect(): Promise<Transporter<SMTPTransport.SentMessageInfo>> {
    const { createTransport } = await import('nodemailer')
    const { host, port, security, user, password, tls, timeoutMs } = this.#options
    return createTransport({
      host,
      port,
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'none',
      ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
      tls: tlsOptions(tls, host),
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      // Nothing in a notification may name a file or an address to fetch.
      disableFileAccess: true,
      disableUrlAccess: true,
    })
  }

  /** What goes into one mail each, and where in the batch it begins. */
  #mailsOf(batch: readonly EventDocument[]): { documents: readonly EventDocument[]; from: number }[] {
    if (this.#options.digest) return [{ documents: batch, from: 0 }]
    return batch.map((document, from) => ({ documents: [document], from }))
  }

  async #send(documents: readonly EventDocument[]): Promise<void> {
    const { from, to, subjectPrefix } = this.#options
    const mail = emailOf(documents, this.#domain, subjectPrefix)
    this.#transport ??= this.#connect()
    const sent = await (await this.#transport).sendMail({
      ...mail,
      references: [...mail.references],
      from,
      to: [...to],
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    })
    const refused = sent.rejected.length === 0 ? '' : `; refused for ${sent.rejected.map(String).join(', ')}`
    this.answer = { accepted: true, text: clip(printable(`${sent.response}${refused}`), 500) }
  }

  #reasonOf(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error)
    const { password } = this.#options
    const safe = password === undefined || password === '' ? text : text.replaceAll(password, '********')
    return clip(printable(`${this.#options.host}:${this.#options.port}: ${safe}`), 500)
  }
}

/** A connection under way cannot be called back: whoever stops does not wait for it, and the mail may come twice. */
async function orAborted(sent: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return sent
  const aborted = new Promise<never>((_, reject) => {
    const stop = () => reject(new Error('stopped'))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  await Promise.race([sent, aborted])
}

/** A server that has read the mail and does not want it, ever (RFC 5321, 4.2.1). All else can be mended, or passes. */
function isRefused(error: unknown): boolean {
  const { responseCode, command } = error as SmtpError
  return responseCode !== undefined && responseCode >= 500 && command === 'DATA'
}
