import { describe, expect, test } from 'vitest'
import { concat, fromHex } from '../support/craft.ts'
import {
  alterContext,
  bind,
  bindAck,
  bindNak,
  DRSUAPI,
  EPMAPPER,
  fault,
  mapResults,
  pdu,
  request,
  response,
  SRVSVC,
  SVCCTL,
  tcpTower,
} from '../support/dcerpc.ts'
import { ntlmAuthenticate, ntlmChallenge, ntlmNegotiate } from '../support/ntlm.ts'
import { Talk } from './inner-talk.ts'

const NDR64 = '71710533-beba-4937-8319-b5dbef9ccc36'
const FEATURES = '6cb71c2c-9812-4540-0300-000000000000'
const privacy = (credentials: Uint8Array) => ({ verifier: { type: 10, level: 6, credentials } })

describe('a binding', () => {
  test('is told once for an interface that is offered in several forms', () => {
    const talk = new Talk()
    const connection = talk.tcp(49_664)
    connection.say(
      'client',
      bind([
        { interface: DRSUAPI, version: 4 },
        { interface: DRSUAPI, version: 4, transfer: NDR64 },
        { interface: DRSUAPI, version: 4, transfer: FEATURES },
      ]),
    )
    connection.say(
      'server',
      bindAck([
        [2, 2],
        [0, 0],
        [3, 3],
      ]),
    )
    expect(talk.only('dcerpc.bound')).toMatchObject({
      'dcerpc.interface.name': 'drsuapi',
      'dcerpc.interface.version': '4.0',
      'event.outcome': 'success',
      'network.protocol': 'dcerpc',
    })
  })

  test('that is refused says why', () => {
    const talk = new Talk()
    const connection = talk.tcp(49_664)
    connection.say('client', bind([{ interface: SVCCTL }]))
    connection.say('server', bindAck([[2, 1]]))
    connection.say('client', bind([{ interface: SRVSVC }], { callId: 2 }))
    connection.say('server', bindNak(4).with(12, 2))
    expect(talk.told('dcerpc.bound').map((event) => [event['dcerpc.interface.name'], event['event.reason']])).toEqual([
      ['svcctl', 'abstract syntax not supported'],
      ['srvsvc', 'protocol version not supported'],
    ])
  })

  test('may be added to later', () => {
    const talk = new Talk()
    const connection = talk.tcp(49_664)
    connection.say('client', bind([{ interface: SVCCTL }])).say('server', bindAck([[0, 0]]))
    connection.say('client', alterContext([{ id: 1, interface: SRVSVC }], { callId: 2 }))
    connection.say('server', bindAck([[0, 0]], { type: 15, callId: 2 }))
    connection
      .say('client', request(15, undefined, { contextId: 1, callId: 3 }))
      .say('server', response(undefined, { callId: 3 }))
    expect(talk.told('dcerpc.bound')).toHaveLength(2)
    expect(talk.only('dcerpc.called')['dcerpc.operation.name']).toBe('NetrShareEnum')
  })
})

describe('a call', () => {
  function bound(): { talk: Talk; connection: ReturnType<Talk['tcp']> } {
    const talk = new Talk()
    const connection = talk.tcp(49_664)
    connection.say('client', bind([{ interface: SVCCTL }])).say('server', bindAck([[0, 0]]))
    return { talk, connection }
  }

  test('is told the first time, and again when it goes another way', () => {
    const { talk, connection } = bound()
    for (let callId = 2; callId < 6; callId++)
      connection.say('client', request(19, undefined, { callId })).say('server', response(undefined, { callId }))
    connection.say('client', request(19, undefined, { callId: 9 })).say('server', fault(5, { callId: 9 }))
    expect(talk.told('dcerpc.called').map((event) => [event['dcerpc.operation.name'], event['event.outcome']])).toEqual(
      [
        ['RStartServiceW', 'success'],
        ['RStartServiceW', 'failure'],
      ],
    )
  })

  test('in many fragments is one call', () => {
    const { talk, connection } = bound()
    connection.say(
      'client',
      concat(
        request(12, new Uint8Array(4000), { flags: 1, callId: 2 }),
        request(12, new Uint8Array(4000), { flags: 0, callId: 2 }),
        request(12, new Uint8Array(100), { flags: 2, callId: 2 }),
      ),
      700,
    )
    connection.say('server', response(undefined, { callId: 2 }))
    expect(talk.only('dcerpc.called')['dcerpc.operation.name']).toBe('RCreateServiceW')
    expect(talk.findings).toEqual([])
  })

  test('that nobody answers is told when the flow ends', () => {
    const { talk, connection } = bound()
    connection.say('client', request(12, undefined, { callId: 2 }))
    expect(talk.told('dcerpc.called')).toEqual([])
    talk.finish()
    expect(talk.only('dcerpc.called')['event.outcome']).toBe('unknown')
  })

  test('through a binding that was not seen has no name and is not told', () => {
    const talk = new Talk()
    talk.tcp(49_664).say('client', request(12)).say('server', response())
    talk.finish()
    expect(talk.told('dcerpc.called')).toEqual([])
  })
})

describe('a login', () => {
  function login(answer: Uint8Array): Talk {
    const talk = new Talk()
    const connection = talk.tcp(49_664)
    connection.say('client', bind([{ interface: DRSUAPI }], privacy(ntlmNegotiate())))
    connection.say('server', bindAck([[0, 0]], privacy(ntlmChallenge({ computer: 'DC1' }))))
    connection.say('client', pdu(16, fromHex('00000000'), privacy(ntlmAuthenticate({ user: 'bob' }))))
    connection.say('client', request(3, undefined, { callId: 2, ...privacy(new Uint8Array(16)) })).say('server', answer)
    return talk
  }

  test('went well if the first call did', () => {
    const talk = login(response(undefined, { callId: 2 }))
    expect(talk.only('ntlm.authenticated')).toMatchObject({ 'user.effective.name': 'bob', 'ntlm.server.name': 'DC1' })
    expect(talk.only('dcerpc.called')).toMatchObject({
      'dcerpc.operation.name': 'DRSGetNCChanges',
      'dcerpc.authentication.level': 'packet privacy',
      'user.effective.name': 'bob',
    })
  })

  test('failed if access is denied to it', () => {
    expect(login(fault(5, { callId: 2 })).only('ntlm.failed')).toMatchObject({
      'user.effective.name': 'bob',
      'error.code': 'ERROR_ACCESS_DENIED',
    })
  })
})

test('the endpoint mapper is understood, and repeats nothing', () => {
  const talk = new Talk()
  const connection = talk.tcp(135)
  connection.say('client', bind([{ interface: EPMAPPER, version: 3 }])).say('server', bindAck([[0, 0]]))
  for (let callId = 2; callId < 4; callId++) {
    connection.say('client', request(3, undefined, { callId }))
    connection.say('server', response(mapResults(tcpTower(DRSUAPI, 4, 49_664, '10.9.0.10')), { callId }))
  }
  expect(talk.only('dcerpc.endpoint.mapped')).toMatchObject({
    'dcerpc.interface.name': 'drsuapi',
    'dcerpc.endpoint.protocol': 'ncacn_ip_tcp',
    'dcerpc.endpoint.port': 49_664,
  })
})

test('different operations of one flow are told up to a bound', () => {
  const talk = new Talk({ track: { applicationEventsPerMinute: 100_000 } })
  const connection = talk.tcp(49_664)
  connection.say('client', bind([{ interface: SVCCTL }])).say('server', bindAck([[0, 0]]))
  for (let operation = 0; operation < 400; operation++)
    connection
      .say('client', request(operation, undefined, { callId: operation + 2 }))
      .say('server', fault(0x1c010002, { callId: operation + 2 }))
  expect(talk.told('dcerpc.called').length).toBeLessThanOrEqual(256)
})

test('what stops being DCE/RPC is told once', () => {
  const talk = new Talk()
  const connection = talk.tcp(49_664)
  connection.say('client', bind([{ interface: SVCCTL }]))
  connection.say('client', new Uint8Array(40).fill(0x99)).say('client', new Uint8Array(40).fill(0x99))
  expect(talk.findings).toEqual(['dcerpc.header'])
})

test('authentications to Netlogon are told each time, up to a bound, and other calls once', () => {
  const talk = new Talk()
  const connection = talk.tcp(49_664)
  connection.say('client', bind([{ interface: '12345678-1234-abcd-ef00-01234567cffb' }]))
  connection.say('server', bindAck([[0, 0]]))
  for (let i = 0; i < 100; i++) {
    for (const operation of [4, 26]) {
      const callId = 2 * i + (operation === 4 ? 2 : 3)
      connection.say('client', request(operation, new Uint8Array(40), { callId }))
      connection.say('server', response(new Uint8Array(8), { callId }))
    }
  }
  const names = talk.told('dcerpc.called').map((event) => event['dcerpc.operation.name'])
  expect(names.filter((name) => name === 'NetrServerReqChallenge')).toHaveLength(1)
  expect(names.filter((name) => name === 'NetrServerAuthenticate3')).toHaveLength(64)
})
