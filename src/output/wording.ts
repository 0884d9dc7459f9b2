/** What people are told of a notification, the same in a message, a mail and a chat: one title and a list of facts. */
import { clip, printable } from '../base/printable.ts'
import type { EventDocument, FieldName } from '../events/fields.ts'

export interface Fact {
  readonly label: string
  readonly value: string
}

const VALUE_MAX = 500

/** The value of a field, or its values, as one text; undefined if there is none. */
export function joined(document: EventDocument, field: FieldName): string | undefined {
  const value = document[field]
  if (value === undefined || value === null || value === '') return undefined
  const text = Array.isArray(value) ? value.join(', ') : String(value)
  return text === '' ? undefined : text
}

/** The same for people to read: on one line, and bounded. */
export function textOf(document: EventDocument, field: FieldName, most = VALUE_MAX): string | undefined {
  const text = joined(document, field)
  return text === undefined ? undefined : clip(printable(text), most)
}

export function isTest(document: EventDocument): boolean {
  return document['alert.notification.kind'] === 'test'
}

/** `[HIGH] Password guessing: alice`, without line breaks and bounded. */
export function titleOf(document: EventDocument): string {
  const level = (document['rule.level'] ?? 'medium').toUpperCase()
  return `${isTest(document) ? '[TEST] ' : ''}[${level}] ${headlineOf(document)}`
}

/** The same without the level. */
export function headlineOf(document: EventDocument): string {
  const rule = textOf(document, 'rule.name', 120) ?? 'Alert'
  const entity = textOf(document, 'alert.entity', 120)
  return entity === undefined ? rule : `${rule}: ${entity}`
}

/** The event in one sentence. */
export function sentenceOf(document: EventDocument): string {
  return textOf(document, 'message', 1000) ?? titleOf(document)
}

/** In the order in which someone who is called at night asks. */
export function factsOf(document: EventDocument): Fact[] {
  const facts: Fact[] = []
  const add = (label: string, value: string | number | undefined) => {
    if (value !== undefined) facts.push({ label, value: String(value) })
  }
  add('What', textOf(document, 'rule.description'))
  add('About', textOf(document, 'alert.entity'))
  add('From', endpoint(document, 'source.ip', 'source.port'))
  add('To', endpoint(document, 'destination.ip', 'destination.port'))
  add('User', textOf(document, 'user.name'))
  add('Client', textOf(document, 'l2tp.initiator.host_name'))
  add('First', textOf(document, 'event.start') ?? document['@timestamp'])
  add('Last', textOf(document, 'event.end'))
  add('Events', document['alert.events'])
  const alerts = document['alert.notification.alerts'] ?? 1
  if (alerts > 1) add('Alerts', alerts)
  if (document['alert.notification.held_back']) add('Held back', document['alert.notification.held_back'])
  if (document['alert.notification.duplicates']) add('Duplicates', document['alert.notification.duplicates'])
  add('ATT&CK', techniques(document))
  add('Tunnel', textOf(document, 'l2tp.tunnel.uid'))
  add('Session', textOf(document, 'l2tp.session.uid'))
  add('Sensor', textOf(document, 'observer.name'))
  add('Incident', textOf(document, 'incident.id'))
  add('Alert id', document['alert.notification.ids']?.[0] ?? document['event.id'])
  add('Read on', linkOf(document))
  return facts
}

export function examplesOf(document: EventDocument): readonly string[] {
  return (document['alert.notification.examples'] ?? []).map((sentence) => clip(printable(sentence), VALUE_MAX))
}

/** Where the rule says to read on, if that is an address on the web. */
export function linkOf(document: EventDocument): string | undefined {
  const reference = document['rule.reference']
  return reference !== undefined && /^https?:\/\/[\x21-\x7e]+$/.test(reference) && reference.length <= 1000
    ? reference
    : undefined
}

function endpoint(document: EventDocument, address: FieldName, port: FieldName): string | undefined {
  const host = textOf(document, address)
  const number = document[port]
  if (host === undefined || number === undefined) return host
  return host.includes(':') ? `[${host}]:${number}` : `${host}:${number}`
}

function techniques(document: EventDocument): string | undefined {
  const ids = document['threat.technique.id'] ?? []
  const names = document['threat.technique.name'] ?? []
  const texts = ids.map((id, index) => `${id} ${names[index] ?? ''}`.trim())
  return texts.length === 0 ? undefined : clip(printable(texts.join(', ')), VALUE_MAX)
}
