/** An L2TP session in which a client and its server negotiate PPP, packet by packet. */
import * as craft from '../support/craft.ts'
import type { SensorOptions } from '../support/sensor.ts'
import { Peers } from './support.ts'

const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE

export const CHALLENGE = craft.fromHex('00112233445566778899aabbccddeeff')
export const PEER_CHALLENGE = craft.fromHex('21402324255e262a28295f2b3a337c7e')
export const authOption = (hex: string) => craft.pppOption(craft.LCP_OPTION.authentication, craft.fromHex(hex))
export const MSCHAPV2 = 'c22381'
export const MD5 = 'c22305'

/** What the operator gave: the password of `bob`. */
export const PASSWORD = 'S3cret'
export const PASSWORDS = [{ user: 'bob', password: PASSWORD }]

/** A session whose LCP is agreed, with what the server wants by way of a log-in. */
export function link(auth?: string, options: SensorOptions = {}): Peers {
  const wants = auth === undefined ? [] : [authOption(auth)]
  const mru = [craft.pppOption(craft.LCP_OPTION.mru, craft.be16(1400))]
  return new Peers(options)
    .open()
    .call()
    .data('server', craft.lcp(REQUEST, 1, wants))
    .data('client', craft.lcp(ACK, 1, wants))
    .data('client', craft.lcp(REQUEST, 1, mru))
    .data('server', craft.lcp(ACK, 1, mru))
}

/** A login by CHAP-MD5, from the challenge to the verdict. */
export function chap(peers: Peers, id: number, user: string, success: boolean, text = ''): Peers {
  return peers
    .data('server', craft.chapChallenge(id, CHALLENGE, 'lns'))
    .data('client', craft.chapResponse(id, craft.chapMd5(id, 'secret', CHALLENGE), user))
    .data('server', craft.chapResult(success, id, text))
}
