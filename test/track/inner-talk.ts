/** What two ends inside a session say to each other over TCP, UDP and ICMP, and what the sensor tells of it. */
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import * as craft from '../support/craft.ts'
import type { SensorOptions } from '../support/sensor.ts'
import { Peers, type Side } from './support.ts'

export const CLIENT_IP = '10.0.0.5'
export const SERVER_IP = '192.0.2.80'

const { syn: SYN, ack: ACK, fin: FIN, psh: PSH } = craft.TCP_FLAG

function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === 'string' ? craft.utf8(payload) : payload
}

export class Talk {
  readonly peers: Peers

  constructor(options: SensorOptions = {}) {
    this.peers = new Peers(options).open().call()
  }

  ip(from: Side, payload: Uint8Array, protocol: number): this {
    const [source, target] = from === 'client' ? [CLIENT_IP, SERVER_IP] : [SERVER_IP, CLIENT_IP]
    this.peers.data(from, craft.ppp(craft.PPP.ipv4, craft.ipv4(payload, { protocol, source, target })))
    return this
  }

  udp(from: Side, payload: Uint8Array | string, serverPort: number, clientPort = 40_000): this {
    const [sourcePort, targetPort] = from === 'client' ? [clientPort, serverPort] : [serverPort, clientPort]
    return this.ip(from, craft.udp(bytesOf(payload), { sourcePort, targetPort }), craft.IP_PROTOCOL.udp)
  }

  echo(from: Side, payload: Uint8Array | string, sequence: number, id = 7): this {
    const fields = { id, sequence, type: from === 'client' ? 8 : 0 }
    return this.ip(from, craft.icmp(bytesOf(payload), fields), craft.IP_PROTOCOL.icmp)
  }

  /** A connection whose handshake has been seen. */
  tcp(serverPort: number, clientPort = 50_000): Connection {
    return new Connection(this, serverPort, clientPort).handshake()
  }

  finish(): this {
    this.peers.finish()
    return this
  }

  told(name: EventName): readonly EventDocument[] {
    return this.peers.told(name)
  }

  /** The only event of a name. */
  only(name: EventName): EventDocument {
    const told = this.told(name)
    if (told.length !== 1) throw new Error(`${told.length} events of the name ${name}`)
    return told[0]
  }

  /** Findings about applications. */
  get findings(): readonly string[] {
    return this.told('protocol.anomaly').map((event) => String(event['anomaly.name']))
  }
}

export class Connection {
  readonly #talk: Talk
  readonly #ports: Record<Side, number>
  readonly next: Record<Side, number> = { client: 0xfffffff0, server: 7000 }

  constructor(talk: Talk, serverPort: number, clientPort: number) {
    this.#talk = talk
    this.#ports = { client: clientPort, server: serverPort }
  }

  handshake(): this {
    return this.#segment('client', SYN, 1)
      .#segment('server', SYN | ACK, 1)
      .#segment('client', ACK, 0)
  }

  /** Says something in segments of at most `size` octets. */
  say(from: Side, payload: Uint8Array | string, size = 1400): this {
    const bytes = bytesOf(payload)
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size)
      this.at(from, this.next[from], piece)
      this.next[from] += piece.length
    }
    return this
  }

  /** Octets with a sequence number of their own. */
  at(from: Side, sequence: number, payload: Uint8Array | string): this {
    return this.#send(from, PSH | ACK, sequence, bytesOf(payload))
  }

  close(): this {
    return this.#segment('client', FIN | ACK, 1)
      .#segment('server', FIN | ACK, 1)
      .#segment('client', ACK, 0)
  }

  #segment(from: Side, flags: number, length: number): this {
    this.#send(from, flags, this.next[from], new Uint8Array(0))
    this.next[from] += length
    return this
  }

  #send(from: Side, flags: number, sequence: number, payload: Uint8Array): this {
    const to = from === 'client' ? 'server' : 'client'
    const fields = {
      sourcePort: this.#ports[from],
      targetPort: this.#ports[to],
      sequence: sequence >>> 0,
      acknowledgement: (flags & ACK) === 0 ? 0 : this.next[to] >>> 0,
      flags,
    }
    this.#talk.ip(from, craft.tcp(payload, fields), craft.IP_PROTOCOL.tcp)
    return this
  }
}
