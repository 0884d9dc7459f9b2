/** What people are told through: the kinds of sinks. What a sink is stands in `sink.ts`. */
import { EmailSink } from './email.ts'
import { RotatingFileSink } from './rotating-file.ts'
import type { Sink } from './sink.ts'
import { SyslogSink } from './syslog.ts'
import { WebhookSink } from './webhook.ts'

/** Each is made from the options of its kind. */
export const SINKS = {
  file: RotatingFileSink,
  syslog: SyslogSink,
  webhook: WebhookSink,
  email: EmailSink,
} satisfies Record<string, new (options: never) => Sink>
