/**
 * Words: what a bare term of a query is looked for in, and how text falls into words.
 *
 * A word is a run of letters, digits, marks and underscores, in lower case. The full-text index holds exactly these words
 * and the in-memory predicate looks for exactly these words, so both find the same.
 */
import type { EventDocument, FieldName } from '../events/fields.ts'

export const NOT_WORD = /[^\p{L}\p{N}\p{M}_]+/u
const NOT_WORDS = /[^\p{L}\p{N}\p{M}_]+/gu
const BEYOND_ASCII = /[^\0-\x7f]+/g

/** Stands between two fields, so that no phrase reaches from one into the next. No text holds it as a word. */
const FENCE = '\ue000'

/** The fields, beside `message`, in which a bare word is looked for; a cluster copies them into one. */
export const NAME_FIELDS = [
  'event.action',
  'event.reason',
  'anomaly.name',
  'anomaly.detail',
  'alert.entity',
  'rule.id',
  'rule.name',
  'rule.level',
  'threat.technique.id',
  'threat.technique.name',
  'threat.technique.subtechnique.id',
  'network.protocol',
  'related.ip',
  'related.hosts',
  'user.name',
  'l2tp.initiator.vendor_name',
  'l2tp.responder.vendor_name',
  'l2tp.message.type',
  'l2tp.message.finding',
  'l2tp.result.text',
  'l2tp.error.text',
  'l2tp.error.message',
  'l2tp.call.called_number',
  'l2tp.call.calling_number',
  'l2tp.call.private_group',
  'l2tp.avp.name',
  'ppp.authentication.method',
  'ppp.authentication.message',
  'ppp.error.text',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'flow.uid',
] as const satisfies readonly FieldName[]

export function wordsOf(text: string): string[] {
  return lowered(text)
    .split(NOT_WORD)
    .filter((word) => word !== '')
}

/**
 * In lower case, each character by itself, as the analysers of clusters do it. `toLowerCase` alone looks at what stands
 * around a Σ, and makes two characters of an İ.
 */
export function lowered(text: string): string {
  return text.replace(/[Σİ]/g, (letter) => (letter === 'Σ' ? 'σ' : 'i')).toLowerCase()
}

/** The words of the message, separated by spaces. */
export function messageWords(document: EventDocument): string {
  return document.message === undefined ? '' : wordsOf(document.message).join(' ')
}

/** The words of the other fields, separated by spaces, with a fence between two values. */
export function nameWords(document: EventDocument): string {
  return nameValues(document)
    .map((value) => wordsOf(value).join(' '))
    .join(` ${FENCE} `)
}

/** The message for the full-text index. */
export function indexedMessage(document: EventDocument): string {
  return document.message === undefined ? '' : indexed(document.message)
}

/** The other fields for the full-text index, with the keys of the event. As no key is a word, keys are fences as well. */
export function indexedNames(document: EventDocument, keys: Iterable<string>): string {
  const fences = [...keys]
  const values = nameValues(document)
  let text = ''
  for (let i = 0; i < values.length || i < fences.length; i++) {
    text += i < values.length ? `${indexed(values[i])} ${fences[i] ?? FENCE} ` : `${fences[i]} `
  }
  return text
}

/** The tokeniser of the index finds the words of ASCII by itself; of any other text it gets the words. */
function indexed(text: string): string {
  return text.replace(BEYOND_ASCII, (run) => lowered(run).replace(NOT_WORDS, ' '))
}

function nameValues(document: EventDocument): string[] {
  const values: string[] = []
  for (const name of NAME_FIELDS) {
    const value: string | readonly string[] | undefined = document[name]
    if (typeof value === 'string') values.push(value)
    else if (value !== undefined) values.push(...value)
  }
  return values
}
