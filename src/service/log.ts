/**
 * What a service says on stderr: JSON for machines, plain lines on a terminal. Messages that repeat themselves are limited, and what
 * looks like a secret is not written.
 */
import { pino } from 'pino'
import { printable } from '../base/printable.ts'
import type { LOG_FORMATS, LogLevel } from './log-levels.ts'
import { MessageLimiter } from './message-limiter.ts'

type LogFields = Readonly<Record<string, unknown>>

export interface LogOptions {
  readonly level: LogLevel
  readonly format: (typeof LOG_FORMATS)[number]
  /** Of messages that say the same so many are written in a minute. */
  readonly perMinute: number
  /** Of the sensor. */
  readonly name: string
  readonly isTerminal: boolean
  readonly write: (line: string) => void
  /** Milliseconds that only go forward. */
  readonly monotonicMs?: () => number
}

/** Fields whose values are never written, at the top and one level below. */
const SECRETS = [
  'password',
  'secret',
  'apiKey',
  'authorization',
  'routingKey',
  'signingSecret',
  'token',
  'key',
  'ntHash',
]

export class ServiceLog {
  readonly #logger: pino.Logger
  readonly #limiter: MessageLimiter
  readonly #monotonicMs: () => number

  constructor(options: LogOptions) {
    const isPlain = options.format === 'plain' || (options.format === 'auto' && options.isTerminal)
    const write = isPlain ? (line: string) => options.write(plainLine(line)) : options.write
    this.#logger = pino(
      {
        level: options.level,
        base: { 'observer.name': options.name, 'process.pid': process.pid },
        messageKey: 'message',
        timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ 'log.level': label }) },
        redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
      },
      { write },
    )
    this.#limiter = new MessageLimiter(options.perMinute, ({ example, count }) =>
      this.#logger.warn({ suppressed: count }, `${count} more suppressed of: ${example}`),
    )
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#say('debug', message, fields)
  }

  info(message: string, fields: LogFields = {}): void {
    this.#say('info', message, fields)
  }

  readonly warn = (message: string, fields: LogFields = {}): void => {
    this.#say('warn', message, fields)
  }

  error(message: string, fields: LogFields = {}): void {
    this.#say('error', message, fields)
  }

  set level(level: LogLevel) {
    this.#logger.level = level
  }

  /** Time goes on: what was suppressed is told. */
  tick(): void {
    this.#limiter.sweep(this.#monotonicMs())
  }

  end(): void {
    this.#limiter.end()
  }

  #say(level: LogLevel, message: string, fields: LogFields): void {
    if (!this.#logger.isLevelEnabled(level)) return
    if (this.#limiter.admits(message, this.#monotonicMs())) this.#logger[level](fields, message)
  }
}

/** `12:00:01 warn  the message  key=value`; names from the network reach no terminal with control characters in them. */
function plainLine(line: string): string {
  const record = JSON.parse(line) as Record<string, unknown>
  const {
    'log.level': level,
    '@timestamp': time,
    message,
    'observer.name': _name,
    'process.pid': _pid,
    ...rest
  } = record
  const fields = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const text = [`${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${message}`, ...fields].join('  ')
  return `${printable(text)}\n`
}
