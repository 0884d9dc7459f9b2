/** Builds messages of Kerberos (RFC 4120 section 5). Ciphertext is a run of one octet, by which a test finds it where it escaped. */
import { application, bitString, boolean, context, element, generalString, integer, octets, sequence } from './ber.ts'

export const CIPHER_OCTET = 0xc9

const time = (text: string): Uint8Array => octets(text, 0x18)

export function principal(name: string, type = 1): Uint8Array {
  return sequence(context(0, integer(type)), context(1, sequence(...name.split('/').map(generalString))))
}

export function encrypted(etype: number, length = 64): Uint8Array {
  return sequence(context(0, integer(etype)), context(2, octets(new Uint8Array(length).fill(CIPHER_OCTET))))
}

export function ticket(realm: string, service: string, etype: number): Uint8Array {
  return application(
    1,
    sequence(
      context(0, integer(5)),
      context(1, generalString(realm)),
      context(2, principal(service, 2)),
      context(3, encrypted(etype)),
    ),
  )
}

export function padata(type: number, value: Uint8Array = new Uint8Array(0)): Uint8Array {
  return sequence(context(1, integer(type)), context(2, octets(value)))
}

export function etypeInfo2(...etypes: readonly number[]): Uint8Array {
  return padata(
    19,
    sequence(...etypes.map((etype) => sequence(context(0, integer(etype)), context(1, generalString('salt'))))),
  )
}

export function forUser(user: string, realm: string): Uint8Array {
  return padata(
    129,
    sequence(
      context(0, principal(user, 10)),
      context(1, generalString(realm)),
      context(2, sequence(context(0, integer(-138)), context(1, octets(new Uint8Array(16).fill(CIPHER_OCTET))))),
      context(3, generalString('Kerberos')),
    ),
  )
}

interface RequestFields {
  readonly client?: string
  readonly realm?: string
  readonly service?: string
  readonly options?: number
  readonly etypes?: readonly number[]
  readonly padata?: readonly Uint8Array[]
  readonly tickets?: readonly Uint8Array[]
  readonly addresses?: readonly Uint8Array[]
}

function request(number: number, fields: RequestFields): Uint8Array {
  const { realm = 'CORP.EXAMPLE', etypes = [18, 17, 23] } = fields
  const body = sequence(
    context(0, bitString(fields.options ?? 0x40810010)),
    ...(fields.client === undefined ? [] : [context(1, principal(fields.client))]),
    context(2, generalString(realm)),
    context(3, principal(fields.service ?? `krbtgt/${realm}`, 2)),
    context(5, time('20370913024805Z')),
    context(7, integer(0x12345678)),
    context(8, sequence(...etypes.map((etype) => integer(etype)))),
    ...(fields.addresses === undefined ? [] : [context(9, sequence(...fields.addresses))]),
    ...(fields.tickets === undefined ? [] : [context(11, sequence(...fields.tickets))]),
  )
  return application(
    number,
    sequence(
      context(1, integer(5)),
      context(2, integer(number)),
      ...(fields.padata === undefined ? [] : [context(3, sequence(...fields.padata))]),
      context(4, body),
    ),
  )
}

export function asReq(fields: RequestFields = {}): Uint8Array {
  return request(10, { client: 'alice', ...fields })
}

/** A request with a proof of the client's key. */
export function provenAsReq(fields: RequestFields = {}, etype = 18): Uint8Array {
  return asReq({ padata: [padata(2, encrypted(etype)), padata(128, sequence(context(0, boolean(true))))], ...fields })
}

export function apReq(realm: string, service: string, etype: number, options = 0x20000000): Uint8Array {
  return application(
    14,
    sequence(
      context(0, integer(5)),
      context(1, integer(14)),
      context(2, bitString(options)),
      context(3, ticket(realm, service, etype)),
      context(4, encrypted(etype)),
    ),
  )
}

export function tgsReq(fields: RequestFields = {}): Uint8Array {
  const realm = fields.realm ?? 'CORP.EXAMPLE'
  const shown = padata(1, apReq(realm, `krbtgt/${realm}`, 18, 0))
  return request(12, { ...fields, padata: [shown, ...(fields.padata ?? [])] })
}

interface ReplyFields {
  readonly client?: string
  readonly realm?: string
  readonly service?: string
  readonly ticketEtype?: number
  readonly etype?: number
  readonly padata?: readonly Uint8Array[]
}

function reply(number: number, fields: ReplyFields): Uint8Array {
  const { realm = 'CORP.EXAMPLE' } = fields
  return application(
    number,
    sequence(
      context(0, integer(5)),
      context(1, integer(number)),
      ...(fields.padata === undefined ? [] : [context(2, sequence(...fields.padata))]),
      context(3, generalString(realm)),
      context(4, principal(fields.client ?? 'alice')),
      context(5, ticket(realm, fields.service ?? `krbtgt/${realm}`, fields.ticketEtype ?? 18)),
      context(6, encrypted(fields.etype ?? 18)),
    ),
  )
}

export function asRep(fields: ReplyFields = {}): Uint8Array {
  return reply(11, fields)
}

export function tgsRep(fields: ReplyFields = {}): Uint8Array {
  return reply(13, fields)
}

export function krbError(
  code: number,
  fields: {
    readonly client?: string
    readonly realm?: string
    readonly service?: string
    readonly text?: string
    readonly data?: Uint8Array
  } = {},
): Uint8Array {
  const { realm = 'CORP.EXAMPLE' } = fields
  return application(
    30,
    sequence(
      context(0, integer(5)),
      context(1, integer(30)),
      context(4, time('20260101120000Z')),
      context(5, integer(1)),
      context(6, integer(code)),
      ...(fields.client === undefined ? [] : [context(7, generalString(realm)), context(8, principal(fields.client))]),
      context(9, generalString(realm)),
      context(10, principal(fields.service ?? `krbtgt/${realm}`, 2)),
      ...(fields.text === undefined ? [] : [context(11, generalString(fields.text))]),
      ...(fields.data === undefined ? [] : [context(12, octets(fields.data))]),
    ),
  )
}

export function apRep(): Uint8Array {
  return application(15, sequence(context(0, integer(5)), context(1, integer(15)), context(2, encrypted(18))))
}

export function hostAddress(type: number, address: Uint8Array): Uint8Array {
  return element(0x30, context(0, integer(type)), context(1, octets(address)))
}
