/** Conversations of PPTP and of PPPoE in which alice logs in with `secret`: on PPTP by MS-CHAPv2, with MPPE after it. */
import { asymmetricStartKey, masterKey } from '../../src/wire/mppe.ts'
import { ntPasswordHash } from '../../src/wire/ms-chap-proof.ts'
import * as craft from './craft.ts'
import { MppeSender } from './mppe.ts'
import { msChapV2Answer } from './ms-chap.ts'
import { accessLine, discoveryFrame, pppoeTag, sessionFrame } from './pppoe.ts'
import * as pptp from './pptp.ts'

const CLIENT = '198.51.100.7'
const SERVER = '192.0.2.1'
const CHALLENGE = craft.fromHex('5b5d7c7d7b3f2f3e3c2c602132262628')
const PEER_CHALLENGE = craft.fromHex('21402324255e262a28295f2b3a337c7e')
const MAGIC = craft.pppOption(5, craft.fromHex('01020304'))
const BARE = { addressControl: false }
const HOST = { source: '02:00:00:00:00:01', target: '02:00:00:00:00:02' }
const CONCENTRATOR = { source: HOST.target, target: HOST.source }
const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE

type Side = 'client' | 'server'
type Send = (from: Side, frame: Uint8Array) => void

/** The link in either carrier: LCP, a login, addresses. */
function link(send: Send, value: Uint8Array, success: string, fields: craft.PppFields): void {
  const auth = craft.pppOption(3, craft.fromHex('c22381'))
  const address = (ip: string) => [craft.pppOption(3, craft.ipBytes(ip))]
  send('server', craft.lcp(REQUEST, 1, [MAGIC, auth], fields))
  send('client', craft.lcp(ACK, 1, [MAGIC, auth], fields))
  send('client', craft.lcp(REQUEST, 1, [craft.pppOption(5, craft.fromHex('0a0b0c0d'))], fields))
  send('server', craft.lcp(ACK, 1, [craft.pppOption(5, craft.fromHex('0a0b0c0d'))], fields))
  send('server', craft.chapChallenge(1, CHALLENGE, 'gate', fields))
  send('client', craft.chapResponse(1, value, 'alice', fields))
  send('server', craft.chapResult(true, 1, success, fields))
  send('client', craft.ipcp(REQUEST, 1, address('10.9.8.7'), fields))
  send('server', craft.ipcp(ACK, 1, address('10.9.8.7'), fields))
  send('server', craft.ipcp(REQUEST, 1, address('10.9.8.1'), fields))
  send('client', craft.ipcp(ACK, 1, address('10.9.8.1'), fields))
}

function inner(i: number): Uint8Array {
  const ends = { source: '10.9.8.7', target: '10.0.0.53' }
  const query = craft.fromHex('0007 0100 0001 0000 0000 0000 03 777777 02 6578 00 0001 0001')
  const datagram = craft.udp(query, { ...ends, sourcePort: 50_000 + i, targetPort: 53 })
  return craft.concat(craft.fromHex('0021'), craft.ipv4(datagram, ends))
}

export function pptpConversation(): Uint8Array[] {
  const packets: Uint8Array[] = []
  const next = { client: 1000, server: 5000 }
  const sequences = { client: 0, server: 0 }
  const put = (from: Side, payload: Uint8Array, protocol: number): void => {
    const [source, target] = from === 'client' ? [CLIENT, SERVER] : [SERVER, CLIENT]
    packets.push(craft.ethernet(craft.ipv4(payload, { source, target, protocol, id: packets.length })))
  }
  const tell = (from: Side, message: Uint8Array): void => {
    const [sourcePort, targetPort] = from === 'client' ? [40_000, 1723] : [1723, 40_000]
    put(from, craft.tcp(message, { sourcePort, targetPort, sequence: next[from] }), 6)
    next[from] += message.length
  }
  const send: Send = (from, frame) => {
    const [callId, acknowledgement] = from === 'client' ? [22, sequences.server] : [11, sequences.client]
    put(from, pptp.enhancedGre(frame, { callId, sequence: sequences[from]++, acknowledgement }), 47)
  }
  tell('client', pptp.startRequest())
  tell('server', pptp.startReply())
  tell('client', pptp.outgoingCallRequest({ callId: 11 }))
  tell('server', pptp.outgoingCallReply({ callId: 22, peerCallId: 11 }))
  const { value, ntResponse, success } = msChapV2Answer('alice', 'secret', CHALLENGE, PEER_CHALLENGE)
  link(send, value, success, {})
  const mppe = [craft.pppOption(18, craft.fromHex('01000041'))]
  send('client', craft.ccp(REQUEST, 1, mppe))
  send('server', craft.ccp(ACK, 1, mppe))
  send('server', craft.ccp(REQUEST, 1, mppe))
  send('client', craft.ccp(ACK, 1, mppe))
  const startKey = asymmetricStartKey(masterKey(ntPasswordHash('secret'), ntResponse), true)
  const sender = new MppeSender({ startKey, isMppc: true })
  for (let i = 0; i < 40; i++) send('client', craft.ppp(0xfd, sender.send(inner(i))))
  for (const message of pptp.everyPptpMessage()) tell('client', message)
  tell('client', pptp.callClearRequest(11))
  return packets
}

export function pppoeConversation(): Uint8Array[] {
  const line = accessLine([
    [1, 'dslam 1/2'],
    [2, 'line 7'],
  ])
  const packets = [
    discoveryFrame(0x09, [pppoeTag(0x0101, ''), pppoeTag(0x0103, 'host'), line], { ethernet: HOST }),
    discoveryFrame(0x07, [pppoeTag(0x0101, 'isp'), pppoeTag(0x0102, 'bras'), pppoeTag(0x0104, 'cookie')], {
      ethernet: CONCENTRATOR,
    }),
    discoveryFrame(0x19, [pppoeTag(0x0101, 'isp'), pppoeTag(0x0104, 'cookie')], { ethernet: HOST }),
    discoveryFrame(0x65, [pppoeTag(0x0101, 'isp')], { sessionId: 9, ethernet: CONCENTRATOR }),
  ]
  const send: Send = (from, frame) => {
    packets.push(sessionFrame(9, frame, { ethernet: from === 'client' ? HOST : CONCENTRATOR }))
  }
  const { value, success } = msChapV2Answer('alice', 'secret', CHALLENGE, PEER_CHALLENGE)
  link(send, value, success, BARE)
  for (let i = 0; i < 10; i++) send('client', inner(i))
  packets.push(discoveryFrame(0xa7, [pppoeTag(0x0203, 'bye')], { sessionId: 9, ethernet: CONCENTRATOR }))
  return packets
}
