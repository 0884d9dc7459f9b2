import { describe, expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { msChapV2Answer } from '../support/ms-chap.ts'
import { CHALLENGE, chap, link, MD5, MSCHAPV2, PASSWORD, PASSWORDS, PEER_CHALLENGE } from './ppp-support.ts'
import { CLIENT, type Peers } from './support.ts'

const { terminateRequest: TERMINATE } = craft.PPP_CODE

const logins = (peers: Peers) =>
  [...peers.told('ppp.authentication.succeeded'), ...peers.told('ppp.authentication.failed')].map((event) => [
    event['user.name'],
    event['event.outcome'],
    event['ppp.authentication.attempts'],
  ])

test('PAP, refused, repeated, and accepted', () => {
  const peers = link('c023')
    .data('client', craft.papRequest(1, 'bob', 'wrong'))
    .data('client', craft.papRequest(2, 'bob', 'wrong'))
    .data('server', craft.papResult(false, 2, 'no'))
  peers
    .data('server', craft.papResult(false, 2, 'no'))
    .data('client', craft.papRequest(3, 'bob', 'right'))
    .data('server', craft.papResult(true, 3, 'ok'))
  expect(logins(peers)).toEqual([
    ['bob', 'success', 2],
    ['bob', 'failure', 1],
  ])
  expect(peers.told('ppp.authentication.failed')[0]).toMatchObject({
    'ppp.authentication.method': 'PAP',
    'ppp.authentication.message': 'no',
  })
  expect(JSON.stringify(peers.run.events)).not.toContain('wrong')
})

test('CHAP, and a fresh CHALLENGE in mid-session that is no news', () => {
  const peers = chap(chap(link(MD5), 1, 'bob', true), 2, 'bob', true)
  expect(logins(peers)).toEqual([['bob', 'success', 1]])
  expect(peers.told('ppp.authentication.succeeded')[0]).toMatchObject({
    'ppp.authentication.method': 'CHAP-MD5',
    'ppp.authentication.server_name': 'lns',
  })
})

test('another name in mid-session is news, and so is a failure', () => {
  const peers = chap(chap(chap(link(MD5), 1, 'bob', true), 2, 'eve', true), 3, 'eve', false)
  expect(logins(peers)).toEqual([
    ['bob', 'success', 1],
    ['eve', 'success', 2],
    ['eve', 'failure', 3],
  ])
})

test('a verdict on another answer is not believed', () => {
  const peers = link(MD5)
    .data('server', craft.chapChallenge(5, CHALLENGE, 'lns'))
    .data('client', craft.chapResponse(5, craft.chapMd5(5, 's', CHALLENGE), 'bob'))
    .data('server', craft.chapResult(true, 4))
  expect(logins(peers)).toEqual([])
})

test('of verdicts whose answers are not seen each identifier is another one', () => {
  const peers = link(MD5)
  for (const id of [1, 1, 2]) peers.data('server', craft.chapResult(false, id))
  expect(logins(peers)).toEqual([
    [undefined, 'failure', 0],
    [undefined, 'failure', 0],
  ])
})

test('MS-CHAPv2 with retries, each failure with its error', () => {
  const peers = link(MSCHAPV2)
  for (const id of [1, 2]) {
    peers
      .data('server', craft.chapChallenge(id, CHALLENGE, 'lns'))
      .data('client', craft.chapResponse(id, craft.msChapV2Response(`guess${id}`, CHALLENGE, CHALLENGE), 'bob'))
    peers.data('server', craft.chapResult(false, id, craft.msChapV2Failure(id === 1 ? 691 : 649, CHALLENGE)))
  }
  expect(peers.told('ppp.authentication.failed').map((event) => event['ppp.error.code'])).toEqual([691, 649])
  expect(peers.told('ppp.authentication.failed')[0]).toMatchObject({
    'ppp.authentication.method': 'MS-CHAPv2',
    'ppp.error.text': 'AUTHENTICATION_FAILURE',
  })
})

test('EAP with identity and MD5', () => {
  const peers = link('c227')
    .data('server', craft.eapIdentity(1, 1))
    .data('client', craft.eapIdentity(2, 1, 'bob'))
    .data('server', craft.eapMd5(1, 2, CHALLENGE, 'lns'))
  peers.data('client', craft.eapMd5(2, 2, CHALLENGE, 'bob')).data('server', craft.eap(craft.EAP_CODE.success, 2))
  expect(logins(peers)).toEqual([['bob', 'success', 1]])
  expect(peers.told('ppp.authentication.succeeded')[0]).toMatchObject({ 'ppp.authentication.method': 'EAP-MD5' })
})

test('each end may log in at the other; the session belongs to the client', () => {
  const peers = chap(link(MD5), 1, 'bob', true)
  peers
    .data('client', craft.chapChallenge(9, CHALLENGE, 'bob'))
    .data('server', craft.chapResponse(9, craft.chapMd5(9, 's', CHALLENGE), 'lns'))
    .data('client', craft.chapResult(true, 9))
  peers.finish()
  expect(logins(peers)).toEqual([
    ['bob', 'success', 1],
    ['lns', 'success', 1],
  ])
  expect(peers.told('l2tp.session.closed')[0]['user.name']).toBe('bob')
})

test('a server that hangs up instead of a verdict has refused', () => {
  const peers = link(MD5)
    .data('server', craft.chapChallenge(1, CHALLENGE, 'lns'))
    .data('client', craft.chapResponse(1, craft.chapMd5(1, 's', CHALLENGE), 'bob'))
  peers.data('server', craft.ppp(craft.PPP.lcp, craft.pppPacket(TERMINATE, 7, craft.utf8('no such user'))))
  expect(logins(peers)).toEqual([['bob', 'failure', 1]])
  const happy = chap(link(MD5), 1, 'bob', true).data('server', craft.lcp(TERMINATE, 7))
  expect(logins(happy)).toEqual([['bob', 'success', 1]])
})

describe('with the password of the user', () => {
  const other = craft.fromHex('ffeeddccbbaa99887766554433221100')

  test('a refused login tells whether the client had the password, and the retry answers the next challenge', () => {
    const wrong = msChapV2Answer('bob', 'guess', CHALLENGE, PEER_CHALLENGE)
    const right = msChapV2Answer('bob', PASSWORD, other, PEER_CHALLENGE)
    const peers = link(MSCHAPV2, { passwords: PASSWORDS })
      .data('server', craft.chapChallenge(1, CHALLENGE, 'lns'))
      .data('client', craft.chapResponse(1, wrong.value, 'bob'))
      .data('server', craft.chapResult(false, 1, craft.msChapV2Failure(691, other)))
      .data('client', craft.chapResponse(2, right.value, 'bob'))
      .data('server', craft.chapResult(true, 2, right.success))
    expect(peers.told('ppp.authentication.failed')).toMatchObject([{ 'ppp.authentication.verdict': 'wrong_secret' }])
    expect(peers.told('ppp.authentication.succeeded')).toMatchObject([
      { 'ppp.authentication.verdict': 'verified', 'ppp.authentication.server_verdict': 'verified' },
    ])
  })

  test('a server that does not know it gives itself away', () => {
    const { value, success } = msChapV2Answer('bob', PASSWORD, CHALLENGE, PEER_CHALLENGE)
    const forged = success.replace(/^S=./, success[2] === '0' ? 'S=1' : 'S=0')
    const peers = link(MSCHAPV2, { passwords: PASSWORDS })
      .data('server', craft.chapChallenge(1, CHALLENGE, 'lns'))
      .data('client', craft.chapResponse(1, value, 'bob'))
      .data('server', craft.chapResult(true, 1, forged))
    expect(peers.told('ppp.authentication.succeeded')).toMatchObject([
      { 'ppp.authentication.verdict': 'verified', 'ppp.authentication.server_verdict': 'wrong_secret' },
    ])
  })

  test('nothing is said of users whose password is not known', () => {
    const { value, success } = msChapV2Answer('eve', PASSWORD, CHALLENGE, PEER_CHALLENGE)
    const peers = link(MSCHAPV2, { passwords: PASSWORDS })
      .data('server', craft.chapChallenge(1, CHALLENGE, 'lns'))
      .data('client', craft.chapResponse(1, value, 'eve'))
      .data('server', craft.chapResult(true, 1, success))
    const [event] = peers.told('ppp.authentication.succeeded')
    expect(event['ppp.authentication.verdict']).toBeUndefined()
    expect(event['ppp.authentication.server_verdict']).toBeUndefined()
  })
})

test('who is asked asks the same back: told once, and not of challenges that are repeated or others', () => {
  const ask = (peers: Peers, from: 'client' | 'server', challenge = CHALLENGE) =>
    peers.data(from, craft.chapChallenge(1, challenge, from))
  const reflected = link(MD5)
  for (const from of ['server', 'server', 'client', 'client'] as const) ask(reflected, from)
  const findings = (peers: Peers) => peers.told('protocol.anomaly').map((event) => event['anomaly.name'])
  expect(findings(reflected)).toEqual(['chap.reflected_challenge'])
  expect(reflected.told('protocol.anomaly')[0]).toMatchObject({ 'source.ip': CLIENT })
  const mutual = ask(ask(link(MD5), 'server'), 'client', PEER_CHALLENGE)
  expect(findings(mutual)).toEqual([])
})
