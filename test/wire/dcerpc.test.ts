import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  dcerpcLength,
  type DcerpcRecord,
  DcerpcView,
  describeDcerpc,
  describeTowers,
  faultName,
} from '../../src/wire/dcerpc.ts'
import { describeDcerpcDatagram } from '../../src/wire/dcerpc-datagram.ts'
import { DCERPC_INTERFACES, interfaceName, operationName } from '../../src/wire/dcerpc-interfaces.ts'
import { le16, le32, uuid } from '../support/ber.ts'
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
  pipeTower,
  request,
  response,
  SRVSVC,
  SVCCTL,
  tcpTower,
  type Verifier,
} from '../support/dcerpc.ts'
import { ntlmAuthenticate, ntlmNegotiate } from '../support/ntlm.ts'
import { inWindow } from '../support/window.ts'

function told(bytes: Uint8Array): DcerpcRecord {
  const view = new DcerpcView()
  expect(view.decode(bytes, 0, bytes.length)).toBeNull()
  return describeDcerpc(view)
}

const NTLM_PRIVACY: Verifier = { type: 10, level: 6, credentials: ntlmNegotiate() }
const STUB = fromHex('d7d7d7d7d7d7d7d7')

const ALL = [
  bind(
    [
      { interface: SVCCTL, version: 2 },
      { interface: SRVSVC, version: 3, transfer: '71710533-beba-4937-8319-b5dbef9ccc36' },
    ],
    {
      verifier: NTLM_PRIVACY,
    },
  ),
  bindAck(
    [
      [0, 0],
      [2, 2],
      [3, 3],
    ],
    { address: '\\PIPE\\svcctl' },
  ),
  bindNak(4),
  alterContext([{ id: 1, interface: DRSUAPI, version: 4 }]),
  request(12, STUB, { contextId: 1, object: SRVSVC }),
  response(STUB),
  fault(5),
  pdu(16, le32(0), { verifier: { type: 10, level: 6, credentials: ntlmAuthenticate({ user: 'bob' }) } }),
]

describe('a binding', () => {
  test('names the interfaces and how their arguments are written', () => {
    expect(told(ALL[0])).toMatchObject({
      typeName: 'bind',
      callId: 1,
      isFirst: true,
      isLast: true,
      contexts: [
        { contextId: 0, interfaceUuid: SVCCTL, interfaceName: 'svcctl', interfaceVersion: '2.0', transfers: ['NDR'] },
        { contextId: 1, interfaceName: 'srvsvc', interfaceVersion: '3.0', transfers: ['NDR64'] },
      ],
      authenticationType: 'NTLM',
      authenticationLevel: 'packet privacy',
      security: { ntlm: { messageName: 'NEGOTIATE' } },
    })
  })

  test('of an interface that nobody named has its number', () => {
    const strange = 'deadbeef-0000-0000-0000-000000000001'
    expect(told(bind([{ interface: strange }])).contexts?.[0].interfaceName).toBe(strange)
    expect(
      told(bind([{ interface: SVCCTL, transfer: '6cb71c2c-9812-4540-0300-000000000000' }])).contexts?.[0].transfers,
    ).toEqual(['feature negotiation'])
  })

  test('is answered for each interface', () => {
    expect(told(ALL[1])).toMatchObject({
      typeName: 'bind_ack',
      associationGroup: 0x1234,
      secondaryAddress: '\\PIPE\\svcctl',
      results: [
        { result: 'acceptance', transfer: 'NDR' },
        { result: 'provider rejection', reason: 'proposed transfer syntaxes not supported' },
        { result: 'negotiate_ack' },
      ],
    })
    expect(told(bindAck([[0, 0]], { type: 15 }))).toMatchObject({ typeName: 'alter_context_resp' })
    expect(told(bindAck([[0, 0]]))).not.toHaveProperty('secondaryAddress')
    expect(told(bindNak(4))).toMatchObject({ typeName: 'bind_nak', rejectReason: 'protocol version not supported' })
  })

  test('may be one of big-endian machines', () => {
    const bytes = fromHex(
      '05000b0300000000 0048 0000 00000001 10b810b8 00000000 01000000 0000 0100 367abb819844 35f1 ad32 98f038001003 0002 0000 8a885d041ceb11c99fe808002b104860 00000002',
    )
    expect(told(bytes)).toMatchObject({
      fragmentLength: 72,
      contexts: [{ interfaceName: 'svcctl', interfaceVersion: '2.0' }],
    })
  })

  test('ends with who logs in', () => {
    expect(told(ALL[7])).toMatchObject({ typeName: 'auth3', security: { ntlm: { user: 'bob' } } })
  })
})

describe('a call', () => {
  test('names the operation by its number, and keeps its arguments to itself', () => {
    const { stub, ...record } = told(ALL[4])
    expect(record).toMatchObject({
      typeName: 'request',
      contextId: 1,
      operation: 12,
      objectUuid: SRVSVC,
      stubLength: 8,
    })
    expect(JSON.stringify(record)).not.toContain('d7d7')
    expect(ALL[4].subarray(stub?.start, stub?.end)).toEqual(STUB)
  })

  test('that is encrypted has no arguments to look at', () => {
    const sealed = request(3, STUB, { verifier: { ...NTLM_PRIVACY, credentials: new Uint8Array(16) } })
    expect(told(sealed)).toMatchObject({ operation: 3, authenticationLevel: 'packet privacy' })
    expect(told(sealed)).not.toHaveProperty('stub')
    expect(told(sealed)).not.toHaveProperty('security')
    const signed = request(3, STUB, { verifier: { type: 10, level: 5, credentials: new Uint8Array(16) } })
    expect(told(signed)).toMatchObject({ stub: { start: 24, end: 32 }, stubLength: 8 })
  })

  test('is answered, or fails with a name', () => {
    expect(told(response(STUB))).toMatchObject({ typeName: 'response', contextId: 0, stubLength: 8 })
    expect(told(fault(0x1c010002))).toMatchObject({
      typeName: 'fault',
      status: 0x1c010002,
      statusName: 'nca_op_rng_error',
    })
    expect(faultName(5)).toBe('ERROR_ACCESS_DENIED')
    expect(faultName(0xdeadbeef)).toBe('deadbeef')
  })

  test('in several fragments says which is first and last', () => {
    expect(told(request(1, STUB, { flags: 1 }))).toMatchObject({ isFirst: true, isLast: false })
    expect(told(request(1, STUB, { flags: 2 }))).toMatchObject({ isFirst: false, isLast: true })
  })
})

describe('the endpoint mapper', () => {
  test('tells where an interface is reached', () => {
    const stub = mapResults(
      tcpTower(DRSUAPI, 4, 49_664, '10.9.0.10'),
      pipeTower(SVCCTL, 2, '\\pipe\\ntsvcs', '\\\\DC1'),
    )
    expect(describeTowers(stub, 0, stub.length)).toEqual([
      {
        interfaceUuid: DRSUAPI,
        interfaceName: 'drsuapi',
        interfaceVersion: '4.0',
        protocol: 'ncacn_ip_tcp',
        port: 49_664,
        address: '10.9.0.10',
      },
      {
        interfaceUuid: SVCCTL,
        interfaceName: 'svcctl',
        interfaceVersion: '2.0',
        protocol: 'ncacn_np',
        pipe: '\\pipe\\ntsvcs',
        host: '\\\\DC1',
      },
    ])
  })

  test('may write its results with counts of eight octets', () => {
    const tower = tcpTower(DRSUAPI, 4, 49_664, '10.9.0.10')
    const stub = concat(new Uint8Array(24), le32(tower.length), le32(0), le32(tower.length), tower)
    expect(describeTowers(stub, 0, stub.length)).toMatchObject([{ port: 49_664 }])
  })

  test('every truncation gives fewer towers and no false one', () => {
    const stub = mapResults(tcpTower(DRSUAPI, 4, 49_664, '10.9.0.10'), tcpTower(SRVSVC, 3, 49_665, '10.9.0.10'))
    for (let end = 0; end < stub.length; end++) {
      const ports = describeTowers(stub, 0, end).map(({ port }) => port)
      expect([[], [49_664], [49_664, 49_665]]).toContainEqual(ports)
    }
  })
})

describe('the table of interfaces', () => {
  test('has UUIDs for keys, and a name for each number that detection asks for', () => {
    for (const key of Object.keys(DCERPC_INTERFACES)) expect(key).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(operationName(SVCCTL, 12)).toBe('RCreateServiceW')
    expect(operationName(SVCCTL, 19)).toBe('RStartServiceW')
    expect(operationName(DRSUAPI, 3)).toBe('DRSGetNCChanges')
    expect(operationName(EPMAPPER, 3)).toBe('ept_map')
    expect(operationName('86d35949-83c9-4044-b424-db363231fd0c', 1)).toBe('SchRpcRegisterTask')
    expect(operationName('12345778-1234-abcd-ef00-0123456789ac', 13)).toBe('SamrEnumerateUsersInDomain')
    expect(operationName('12345678-1234-abcd-ef00-01234567cffb', 26)).toBe('NetrServerAuthenticate3')
    expect(operationName('12345678-1234-abcd-ef00-0123456789ab', 65)).toBe(
      'RpcRemoteFindFirstPrinterChangeNotificationEx',
    )
    expect(operationName('9556dc99-828c-11cf-a37e-00aa003240c7', 24)).toBe('ExecMethod')
    expect(operationName(SVCCTL, 999)).toBe('999')
    expect(interfaceName('c681d488-d850-11d0-8c52-00c04fd90f7e')).toBe('efsrpc')
  })
})

describe('a datagram', () => {
  const header = concat(
    fromHex('04 00 28 00 10000000'),
    new Uint8Array(16),
    uuid('5a7b91f8-ff00-11d0-a9b2-00c04fb6e6fc'),
    uuid('1c3256dc-1021-b4ca-a37f-a8cdd62934e3'),
    le32(0),
    le32(1),
    le32(5),
    le16(0),
    fromHex('ffff ffff'),
    le16(8),
    le16(0),
    fromHex('0000'),
  )

  test('names interface and operation', () => {
    expect(describeDcerpcDatagram(concat(header, STUB), 0, 88)).toEqual({
      type: 0,
      typeName: 'request',
      flags: 0x28,
      interfaceUuid: '5a7b91f8-ff00-11d0-a9b2-00c04fb6e6fc',
      interfaceName: 'msgsvcsend',
      interfaceVersion: '1.0',
      activityUuid: '1c3256dc-1021-b4ca-a37f-a8cdd62934e3',
      sequence: 5,
      operation: 0,
      fragment: 0,
      bodyLength: 8,
    })
  })

  test('may refuse', () => {
    const reject = concat(header, fromHex('08 00 00 1c 00000000'))
    reject[1] = 6
    expect(describeDcerpcDatagram(reject, 0, 88)).toMatchObject({
      typeName: 'reject',
      statusName: 'nca_rpc_version_mismatch',
    })
  })

  test('is none when anything does not fit', () => {
    const whole = concat(header, STUB)
    for (let end = 0; end < whole.length; end++) expect(describeDcerpcDatagram(whole, 0, end)).toBeNull()
    expect(describeDcerpcDatagram(whole, 0, 80, 88)).not.toBeNull()
    for (const [at, octet] of [
      [0, 5],
      [1, 11],
      [4, 0x20],
      [5, 1],
    ]) {
      const other = Uint8Array.from(whole)
      other[at] = octet
      expect(describeDcerpcDatagram(other, 0, 88)).toBeNull()
    }
  })
})

describe('a malformed fragment', () => {
  test('has a named flaw', () => {
    const view = new DcerpcView()
    const bytes = request(1)
    const wrong = (at: number, octet: number): Uint8Array => {
      const other = Uint8Array.from(bytes)
      other[at] = octet
      return other
    }
    expect(view.decode(wrong(0, 4), 0, bytes.length)).toBe('dcerpc.version')
    expect(view.decode(wrong(2, 99), 0, bytes.length)).toBe('dcerpc.type')
    expect(view.decode(wrong(4, 0x20), 0, bytes.length)).toBe('dcerpc.format')
    expect(view.decode(wrong(8, 15), 0, bytes.length)).toBe('dcerpc.length')
    expect(view.decode(wrong(10, 200), 0, bytes.length)).toBe('dcerpc.length')
    expect(view.decode(wrong(8, 200), 0, bytes.length, bytes.length)).toBe('dcerpc.length')
    expect(told(pdu(0, le16(1))).flaw).toBe('dcerpc.body')
    expect(told(pdu(11, concat(le32(0), le32(0), fromHex('05000000')))).flaw).toBe('dcerpc.body')
  })

  test('every truncation of a fragment in a pipe is a flaw; what a stream goes on with is none', () => {
    const view = new DcerpcView()
    for (const bytes of ALL) {
      for (let end = 0; end < bytes.length; end++) {
        expect(view.decode(bytes, 0, end, end)).toBe(end < 16 ? 'dcerpc.truncated' : 'dcerpc.length')
        expect(dcerpcLength(bytes, 0, end)).toBe(end < 16 ? 0 : bytes.length)
        if (view.decode(bytes, 0, end) !== null) continue
        expect(describeDcerpc(view).flaw).toBeUndefined()
      }
    }
    expect(dcerpcLength(fromHex('16'), 0, 1)).toBe(-1)
  })

  test('with one octet changed nothing outside the window is read', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL), fc.nat(), fc.nat(255), (message, at, octet) => {
        const bytes = Uint8Array.from(message)
        bytes[at % bytes.length] = octet
        const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
          const view = new DcerpcView()
          const flaw = view.decode(buffer, start, end)
          if (flaw !== null) return flaw
          const { stub, ...record } = describeDcerpc(view)
          if (stub === undefined) return record
          expect(stub.start >= start && stub.start <= stub.end && stub.end <= end).toBe(true)
          return [record, describeTowers(buffer, stub.start, stub.end)]
        })
        expect(among).toEqual(elsewhere)
      }),
      { numRuns: 3000 },
    )
  })
})
