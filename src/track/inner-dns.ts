/** DNS inside flows, over UDP and TCP: each query is told with its answer, or alone when its flow ends without one. */
import { u16 } from '../base/bytes.ts'
import type { OwnFields } from './inner-protocol.ts'
import {
  DNS_PORT,
  DNS_TCP_PREFIX,
  type DnsDescription,
  DnsView,
  describeDns,
  LLMNR_PORT,
  looksLikeDns,
  MDNS_PORT,
} from '../wire/dns.ts'
import {
  CLIENT,
  type DatagramProtocol,
  type DatagramReader,
  type InnerFlow,
  type Ports,
  type Recognition,
  SERVER,
  type Side,
  type StreamProtocol,
  type StreamReader,
} from './inner-protocol.ts'

/** Queries of one flow that wait for their answers. */
const WAITING_MAX = 16
const ANSWERS_SHOWN = 16
const MESSAGE_MIN = 12

const PORTS = [DNS_PORT, MDNS_PORT, LLMNR_PORT]

interface Query {
  readonly message: DnsDescription
  readonly timeUs: number
}

const view = new DnsView()

/** The queries of one flow, whatever carries them. */
class DnsTalk {
  readonly #flow: InnerFlow
  /** By identifier. */
  readonly #waiting = new Map<number, Query>()

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  message(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    const flaw = view.decode(bytes, start, end, wireEnd)
    if (flaw !== null) {
      if (wireEnd <= end) this.#flow.report(flaw, 'dns', '')
      return
    }
    const message = describeDns(view)
    const wrong = message.flaw ?? message.findings[0]
    if (wrong !== undefined) this.#flow.report(wrong, 'dns', message.questions[0]?.name ?? '')
    // A query comes from the client: the capture may have begun with an answer.
    if (this.#waiting.size === 0) this.#flow.client = message.isResponse === (side === CLIENT) ? SERVER : CLIENT
    if (message.questions.length === 0) return
    if (message.isResponse) this.#answer(message)
    else this.#ask(message)
  }

  end(): void {
    for (const query of this.#waiting.values()) this.#tellQuery(query)
    this.#waiting.clear()
  }

  /** A query that is repeated keeps its first time. */
  #ask(message: DnsDescription): void {
    const known = this.#waiting.get(message.id)
    if (known?.message.questions[0].name === message.questions[0].name) return
    if (known !== undefined) this.#tellQuery(known)
    else if (this.#waiting.size === WAITING_MAX) {
      const [[id, oldest]] = this.#waiting
      this.#waiting.delete(id)
      this.#tellQuery(oldest)
    }
    this.#waiting.set(message.id, { message, timeUs: this.#flow.timeUs })
  }

  #answer(message: DnsDescription): void {
    const { id, responseCodeName, records, measures, answerCount } = message
    const query = this.#waiting.get(id)
    const isAnswered = query !== undefined && sameQuestion(query.message, message)
    if (isAnswered) this.#waiting.delete(id)
    else if (query !== undefined) this.#flow.report('dns.answer_mismatch', 'dns', message.questions[0].name)
    const { name, typeName } = message.questions[0]
    const answers = records.filter(({ section }) => section === 'answer')
    const addresses = answers.flatMap(({ address }) => address ?? []).slice(0, ANSWERS_SHOWN)
    const data = answers.flatMap((record) => record.data?.slice(0, 256) ?? []).slice(0, ANSWERS_SHOWN)
    this.#flow.tell(
      'dns.answered',
      `${typeName} ${shown(name)}: ${responseCodeName === 'NOERROR' && data.length > 0 ? data.slice(0, 3).join(', ') : responseCodeName}`,
      {
        ...questionFields(message),
        'dns.type': 'answer',
        'dns.response_code': responseCodeName,
        'event.outcome': responseCodeName === 'NOERROR' ? 'success' : 'failure',
        'event.duration': isAnswered ? Math.round((this.#flow.timeUs - query.timeUs) * 1000) : undefined,
        'dns.resolved_ip': addresses.length > 0 ? addresses : undefined,
        'dns.response.data': data.length > 0 ? data : undefined,
        'dns.response.answers': answerCount,
        'dns.response.bytes': measures.answerLength,
      },
    )
  }

  #tellQuery({ message }: Query): void {
    const { name, typeName } = message.questions[0]
    this.#flow.tell('dns.queried', `${typeName} ${shown(name)}, unanswered`, {
      ...questionFields(message),
      'dns.type': 'query',
    })
  }
}

function shown(name: string): string {
  return name === '' ? '.' : name
}

/** RFC 5452 section 9.1: an answer repeats the question. Letters may change their case. */
function sameQuestion(query: DnsDescription, answer: DnsDescription): boolean {
  const [asked] = query.questions
  const [answered] = answer.questions
  return asked.type === answered.type && asked.name.toLowerCase() === answered.name.toLowerCase()
}

function questionFields({ id, opcodeName, flags, questions, measures }: DnsDescription) {
  const [{ name, typeName, className }] = questions
  const { registeredDomain, subdomainLength } = measures
  return {
    'dns.id': String(id),
    'dns.op_code': opcodeName,
    'dns.header_flags': flags,
    'dns.question.name': shown(name),
    'dns.question.type': typeName,
    'dns.question.class': className,
    'dns.question.registered_domain': registeredDomain === '' ? undefined : registeredDomain,
    'dns.question.subdomain': subdomainLength === 0 ? undefined : name.slice(0, -registeredDomain.length - 1),
    'dns.question.length': measures.queryLength,
    'dns.question.labels': measures.labels,
    'dns.question.longest_label': measures.longestLabel,
    'dns.question.subdomain_length': subdomainLength,
  } satisfies Partial<OwnFields<'dns.queried'>>
}

export const DNS_DATAGRAMS: DatagramProtocol = {
  name: 'dns',
  recognise: (bytes, start, end, _side, { clientPort, serverPort }) =>
    PORTS.includes(serverPort) || PORTS.includes(clientPort)
      ? end - start >= MESSAGE_MIN
      : looksLikeDns(bytes, start, end),
  open: (flow) => new DatagramTalk(flow),
}

class DatagramTalk implements DatagramReader {
  readonly #talk: DnsTalk

  constructor(flow: InnerFlow) {
    this.#talk = new DnsTalk(flow)
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    this.#talk.message(side, bytes, start, end, wireEnd)
    return true
  }

  end(): void {
    this.#talk.end()
  }
}

export const DNS_STREAM: StreamProtocol = {
  name: 'dns',
  recognise: recogniseStream,
  open: (flow) => new StreamTalk(flow),
}

/** Over TCP a message shows itself only when all of it has come; before, the port must do. */
function recogniseStream(bytes: Uint8Array, start: number, end: number, _side: Side, ports: Ports): Recognition {
  if (ports.serverPort !== DNS_PORT && ports.clientPort !== DNS_PORT) return 'no'
  if (end - start < DNS_TCP_PREFIX) return 'more'
  return u16(bytes, start) >= MESSAGE_MIN ? 'yes' : 'no'
}

class StreamTalk implements StreamReader {
  readonly #talk: DnsTalk

  constructor(flow: InnerFlow) {
    this.#talk = new DnsTalk(flow)
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (end - at >= DNS_TCP_PREFIX) {
      const messageStart = at + DNS_TCP_PREFIX
      const messageEnd = messageStart + u16(bytes, at)
      if (messageEnd > end) break
      this.#talk.message(side, bytes, messageStart, messageEnd, messageEnd)
      at = messageEnd
    }
    return at - start
  }

  gap(): boolean {
    return false
  }

  end(): void {
    this.#talk.end()
  }
}
