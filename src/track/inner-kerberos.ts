/** Kerberos inside flows, over UDP and TCP: each request for a ticket is told with its answer, or alone when its flow ends. */
import {
  describeKerberos,
  isKerberos,
  KERBEROS_PORT,
  KERBEROS_RECORD_MARK,
  type KerberosRecord,
  kerberosRecordLength,
} from '../wire/kerberos.ts'
import { isWeakEtype } from '../wire/kerberos-tables.ts'
import type { DatagramProtocol, DatagramReader, InnerFlow, OwnFields, Side, StreamProtocol } from './inner-protocol.ts'
import { type Framing, RecordStream, type RecordTalk } from './inner-records.ts'

const AS_REQ = 10
const AS_REP = 11
const TGS_REQ = 12
const TGS_REP = 13
const KRB_ERROR = 30

const FRAMING: Framing = {
  lengthOf: kerberosRecordLength,
  markLength: KERBEROS_RECORD_MARK,
  headMax: 16_384,
  layer: 'kerberos',
  flaw: 'kerberos.record_length',
}

interface Request {
  readonly message: KerberosRecord
  readonly timeUs: number
}

/** The exchanges of one flow: a client waits for the answer before it asks again. */
class KerberosTalk implements RecordTalk {
  readonly #flow: InnerFlow
  #request: Request | null = null

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  message(bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    const message = describeKerberos(bytes, start, end, wireEnd)
    if (message.flaw !== undefined) this.#flow.report(message.flaw, 'kerberos', message.messageName)
    switch (message.messageType) {
      case AS_REQ:
      case TGS_REQ:
        // One that is sent again keeps its first time.
        if (this.#request?.message.nonce === message.nonce && message.nonce !== undefined) return
        this.end()
        this.#request = { message, timeUs: this.#flow.timeUs }
        break
      case AS_REP:
      case TGS_REP:
        this.#issued(message)
        break
      case KRB_ERROR:
        this.#refused(message)
        break
      default:
    }
  }

  end(): void {
    const request = this.#take()
    if (request === null) return
    const { message } = request
    this.#flow.tell('kerberos.ticket.requested', `${who(message)} asked for ${ticketOf(message)}, unanswered`, {
      ...requestFields(message),
      ...requested(message),
    })
  }

  #take(): Request | null {
    const request = this.#request
    this.#request = null
    return request
  }

  #duration(request: Request | null): number | undefined {
    return request === null ? undefined : Math.round((this.#flow.timeUs - request.timeUs) * 1000)
  }

  #issued(reply: KerberosRecord): void {
    const request = this.#take()
    const { ticket } = reply
    const weak = ticket?.etype === undefined ? undefined : isWeakEtype(ticket.etype)
    const service = ticket?.service ?? request?.message.service ?? ''
    this.#flow.tell(
      'kerberos.ticket.issued',
      `${who(reply)} got a ticket for ${service}${ticket?.etypeName === undefined ? '' : `, ${ticket.etypeName}`}`,
      {
        ...(request === null ? {} : requestFields(request.message)),
        'kerberos.request': reply.messageType === AS_REP ? 'AS' : 'TGS',
        'kerberos.realm': ticket?.realm ?? reply.clientRealm ?? '',
        'kerberos.service': service,
        'user.effective.name': reply.client,
        'user.effective.domain': reply.clientRealm,
        'kerberos.etype': reply.etypeName,
        'kerberos.ticket.etype': ticket?.etypeName,
        'kerberos.ticket.weak': weak,
        'event.outcome': 'success',
        'event.duration': this.#duration(request),
      },
    )
  }

  #refused(error: KerberosRecord): void {
    const request = this.#take()
    const asked = request?.message
    const code = error.errorName ?? ''
    this.#flow.tell(
      'kerberos.ticket.refused',
      `${who(asked ?? error)} was refused ${ticketOf(asked ?? error)}: ${code}`,
      {
        ...(asked === undefined ? {} : requestFields(asked)),
        'kerberos.request': asked?.messageType === TGS_REQ ? 'TGS' : 'AS',
        'kerberos.realm': asked?.serviceRealm ?? error.serviceRealm ?? '',
        'kerberos.service': asked?.service ?? error.service ?? '',
        'user.effective.name': asked?.client ?? error.client,
        'user.effective.domain': asked?.clientRealm ?? error.clientRealm,
        'event.outcome': 'failure',
        'event.duration': this.#duration(request),
        'error.code': code,
        'error.message': error.errorText,
      },
    )
  }
}

type TicketFields = OwnFields<'kerberos.ticket.requested'>

function requested({ messageType, serviceRealm, service }: KerberosRecord) {
  return {
    'kerberos.request': messageType === AS_REQ ? 'AS' : 'TGS',
    'kerberos.realm': serviceRealm ?? '',
    'kerberos.service': service ?? '',
  }
}

/** What a request says besides for whom it is. */
function requestFields(
  message: KerberosRecord,
): Omit<TicketFields, 'kerberos.request' | 'kerberos.realm' | 'kerberos.service'> {
  return {
    'user.effective.name': message.client,
    'user.effective.domain': message.clientRealm,
    'kerberos.options': message.kdcOptions,
    'kerberos.etypes': message.etypeNames,
    'kerberos.preauthenticated': message.hasProof,
    'kerberos.impersonated': message.impersonated,
    'kerberos.delegated': message.kdcOptions?.includes('cname-in-addl-tkt') === true ? true : undefined,
  }
}

function who({ client }: KerberosRecord): string {
  return client ?? 'the holder of a ticket'
}

function ticketOf({ service }: KerberosRecord): string {
  return service === undefined ? 'a ticket' : `a ticket for ${service}`
}

class KerberosDatagrams implements DatagramReader {
  readonly #talk: KerberosTalk

  constructor(flow: InnerFlow) {
    this.#talk = new KerberosTalk(flow)
  }

  read(_side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    this.#talk.message(bytes, start, end, wireEnd)
    return true
  }

  end(): void {
    this.#talk.end()
  }
}

/** No port but its own: the first octets of a record are too little to go by. */
export const KERBEROS_STREAM: StreamProtocol = {
  name: 'kerberos',
  recognise: (bytes, start, end, _side, { serverPort, clientPort }) => {
    if (serverPort !== KERBEROS_PORT && clientPort !== KERBEROS_PORT) return 'no'
    if (end - start < KERBEROS_RECORD_MARK + 1) return 'more'
    return kerberosRecordLength(bytes, start, end) > 0 ? 'yes' : 'no'
  },
  open: (flow) => new RecordStream(flow, FRAMING, new KerberosTalk(flow)),
}

export const KERBEROS_DATAGRAMS: DatagramProtocol = {
  name: 'kerberos',
  recognise: (bytes, start, end, _side, { serverPort, clientPort }) =>
    (serverPort === KERBEROS_PORT || clientPort === KERBEROS_PORT) && isKerberos(bytes, start, end),
  open: (flow) => new KerberosDatagrams(flow),
}
