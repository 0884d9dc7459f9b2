/** Builds messages of LDAP (RFC 4511). */
import { boolean, context, element, enumerated, integer, octets, sequence } from './ber.ts'
import { be32, concat } from './craft.ts'

function operation(number: number, ...content: readonly Uint8Array[]): Uint8Array {
  return element(0x60 | number, ...content)
}

export function ldapMessage(id: number, body: Uint8Array, controls: readonly string[] = []): Uint8Array {
  const list = controls.map((oid) => sequence(octets(oid)))
  return sequence(integer(id), body, ...(list.length === 0 ? [] : [context(0, ...list)]))
}

export function simpleBind(id: number, name: string, password: string): Uint8Array {
  return ldapMessage(id, operation(0, integer(3), octets(name), octets(password, 0x80)))
}

export function saslBind(id: number, mechanism: string, credentials?: Uint8Array): Uint8Array {
  const sasl = context(3, octets(mechanism), ...(credentials === undefined ? [] : [octets(credentials)]))
  return ldapMessage(id, operation(0, integer(3), octets(''), sasl))
}

export function sicilyBind(id: number, tag: number, token: Uint8Array, name = 'NTLM'): Uint8Array {
  return ldapMessage(id, operation(0, integer(3), octets(name), octets(token, tag)))
}

interface ResultFields {
  readonly code?: number
  readonly matched?: string | Uint8Array
  readonly words?: string
  readonly more?: readonly Uint8Array[]
}

export function ldapResult(id: number, number: number, fields: ResultFields = {}): Uint8Array {
  const { code = 0, matched = '', words = '', more = [] } = fields
  return ldapMessage(id, operation(number, enumerated(code), octets(matched), octets(words), ...more))
}

export function bindResponse(id: number, code: number, credentials?: Uint8Array, words = ''): Uint8Array {
  return ldapResult(id, 1, { code, words, more: credentials === undefined ? [] : [octets(credentials, 0x87)] })
}

/** RFC 4511 section 4.5.1.7, by the names of its choices. */
export const filter = {
  and: (...parts: readonly Uint8Array[]): Uint8Array => context(0, ...parts),
  or: (...parts: readonly Uint8Array[]): Uint8Array => context(1, ...parts),
  not: (part: Uint8Array): Uint8Array => context(2, part),
  equal: (attribute: string, value: string | Uint8Array): Uint8Array => context(3, octets(attribute), octets(value)),
  substrings: (attribute: string, ...parts: readonly (readonly [tag: number, text: string])[]): Uint8Array =>
    context(4, octets(attribute), sequence(...parts.map(([tag, text]) => octets(text, 0x80 | tag)))),
  atLeast: (attribute: string, value: string): Uint8Array => context(5, octets(attribute), octets(value)),
  atMost: (attribute: string, value: string): Uint8Array => context(6, octets(attribute), octets(value)),
  present: (attribute: string): Uint8Array => octets(attribute, 0x87),
  like: (attribute: string, value: string): Uint8Array => context(8, octets(attribute), octets(value)),
  matching: (rule: string, attribute: string, value: string): Uint8Array =>
    context(9, octets(rule, 0x81), octets(attribute, 0x82), octets(value, 0x83)),
}

export function searchRequest(
  id: number,
  fields: {
    readonly base?: string
    readonly scope?: number
    readonly filter?: Uint8Array
    readonly attributes?: readonly string[]
    readonly controls?: readonly string[]
  } = {},
): Uint8Array {
  return ldapMessage(
    id,
    operation(
      3,
      octets(fields.base ?? 'DC=corp,DC=example'),
      enumerated(fields.scope ?? 2),
      enumerated(0),
      integer(1000),
      integer(30),
      boolean(false),
      fields.filter ?? filter.present('objectClass'),
      sequence(...(fields.attributes ?? []).map((name) => octets(name))),
    ),
    fields.controls,
  )
}

export function searchEntry(
  id: number,
  object: string,
  attributes: Readonly<Record<string, readonly string[]>>,
): Uint8Array {
  return ldapMessage(
    id,
    operation(
      4,
      octets(object),
      sequence(...Object.entries(attributes).map(([name, values]) => attribute(name, values))),
    ),
  )
}

function attribute(name: string, values: readonly string[]): Uint8Array {
  return sequence(octets(name), element(0x31, ...values.map((value) => octets(value))))
}

export function modifyRequest(
  id: number,
  object: string,
  changes: readonly (readonly [how: number, name: string, values: readonly string[]])[],
): Uint8Array {
  const list = changes.map(([how, name, values]) => sequence(enumerated(how), attribute(name, values)))
  return ldapMessage(id, operation(6, octets(object), sequence(...list)))
}

export function addRequest(
  id: number,
  object: string,
  attributes: Readonly<Record<string, readonly string[]>>,
): Uint8Array {
  return ldapMessage(
    id,
    operation(
      8,
      octets(object),
      sequence(...Object.entries(attributes).map(([name, values]) => attribute(name, values))),
    ),
  )
}

export function deleteRequest(id: number, object: string): Uint8Array {
  return ldapMessage(id, octets(object, 0x4a))
}

export function renameRequest(id: number, object: string, rdn: string, superior: string): Uint8Array {
  return ldapMessage(id, operation(12, octets(object), octets(rdn), boolean(true), octets(superior, 0x80)))
}

export function compareRequest(id: number, object: string, name: string, value: string): Uint8Array {
  return ldapMessage(id, operation(14, octets(object), sequence(octets(name), octets(value))))
}

export function extendedRequest(id: number, oid: string): Uint8Array {
  return ldapMessage(id, operation(23, octets(oid, 0x80)))
}

export function unbindRequest(id: number): Uint8Array {
  return ldapMessage(id, element(0x42))
}

/** A message in the wrapping that SASL puts around it (RFC 4422 section 3.7). */
export function wrapped(token: Uint8Array): Uint8Array {
  return concat(be32(token.length), token)
}
