import { describe, expect, test } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import { windowsLayersOverTcp, windowsLayersOverUdp } from '../../src/dissect/layers-windows.ts'
import { be16, be32, concat, fromHex } from '../support/craft.ts'
import { bind, DRSUAPI, mapResults, request, response, SVCCTL, tcpTower } from '../support/dcerpc.ts'
import { apReq, asReq, krbError } from '../support/kerberos.ts'
import { filter, searchEntry, searchRequest, simpleBind, wrapped } from '../support/ldap.ts'
import {
  createBody,
  compounded,
  closeBody,
  encryptedMessage,
  ioctlBody,
  netbiosFrame,
  PIPE_TRANSCEIVE,
  readResponseBody,
  smb1,
  smb2,
  smbNegotiate,
  smbTransactPipe,
  treeConnectBody,
  writeBody,
} from '../support/smb.ts'

function tcp(bytes: Uint8Array, port: number, end = bytes.length, wireEnd = end): Layer[] {
  return windowsLayersOverTcp({ bytes, start: 0, end, wireEnd }, 50_000, port)
}

function udp(bytes: Uint8Array, port: number): Layer[] {
  return windowsLayersOverUdp({ bytes, start: 0, end: bytes.length, wireEnd: bytes.length }, port, 50_000)
}

function names(layers: readonly Layer[]): string[] {
  return layers.map(({ layer }) => layer)
}

describe('SMB in a segment', () => {
  test('lies in frames, each of its own', () => {
    const bytes = concat(netbiosFrame(smbNegotiate('NT LM 0.12')), netbiosFrame(smb2(3, treeConnectBody('\\\\a\\b'))))
    expect(tcp(bytes, 445)).toMatchObject([
      { layer: 'nbss', typeName: 'message' },
      { layer: 'smb', commandName: 'NEGOTIATE', blocks: [{ dialects: ['NT LM 0.12'] }] },
      { layer: 'nbss' },
      { layer: 'smb2', commandName: 'TREE_CONNECT', path: '\\\\a\\b' },
    ])
    expect(names(tcp(bytes, 139))).toEqual(['nbss', 'smb', 'nbss', 'smb2'])
  })

  test('may hold several commands', () => {
    const bytes = netbiosFrame(compounded(smb2(5, createBody('x')), smb2(6, closeBody(1), { flags: 4 })))
    expect(tcp(bytes, 445)).toMatchObject([
      { layer: 'nbss' },
      { layer: 'smb2', commandName: 'CREATE', fileName: 'x' },
      { layer: 'smb2', commandName: 'CLOSE', isRelated: true },
    ])
  })

  test('carries DCE/RPC in pipes, of every way to speak to them', () => {
    const call = bind([{ interface: SVCCTL, version: 2 }])
    const ways = [
      smb2(9, writeBody(1, call)),
      smb2(8, readResponseBody(call), { isResponse: true }),
      smb2(11, ioctlBody(PIPE_TRANSCEIVE, 1, concat(call, request(12)))),
      smb1(0x25, smbTransactPipe(1, call)),
    ]
    for (const way of ways) {
      const layers = tcp(netbiosFrame(way), 445)
      expect(layers[2]).toMatchObject({ layer: 'dcerpc', contexts: [{ interfaceName: 'svcctl' }] })
      expect(JSON.stringify(layers)).not.toContain('"data":{')
    }
    expect(names(tcp(netbiosFrame(ways[2]), 445))).toEqual(['nbss', 'smb2', 'dcerpc', 'dcerpc'])
  })

  test('that goes on in the next segment says so, and is no flaw', () => {
    const bytes = netbiosFrame(smb2(9, writeBody(1, new Uint8Array(5000))))
    expect(tcp(bytes, 445, 1460)).toMatchObject([
      { layer: 'nbss', continues: true },
      { layer: 'smb2', commandName: 'WRITE', dataLength: 5000, continues: true },
    ])
    for (let end = 0; end <= 200; end++) expect(JSON.stringify(tcp(bytes, 445, end))).not.toMatch(/flaw|isSnapped/)
  })

  test('that the capture cut is told apart from that', () => {
    const bytes = netbiosFrame(smb2(3, treeConnectBody('\\\\files\\share')))
    expect(tcp(bytes, 445, 80, bytes.length)[1]).toMatchObject({ layer: 'smb2', isSnapped: true })
    expect(tcp(bytes, 445, 80, bytes.length)[1]).not.toHaveProperty('continues')
  })

  test('in the middle of a message is nothing', () => {
    expect(tcp(new Uint8Array(100), 445)).toEqual([])
    expect(tcp(fromHex('4d5a9000 03000000'), 445)).toEqual([])
  })

  test('may be encrypted', () => {
    expect(tcp(netbiosFrame(encryptedMessage(0x77, 64)), 445)).toMatchObject([
      { layer: 'nbss' },
      { layer: 'smb2-encrypted', sessionId: '0000000000000077', originalLength: 64 },
    ])
  })

  test('has a bound', () => {
    const many = concat(...Array.from({ length: 100 }, () => netbiosFrame(smb2(6, closeBody(1)))))
    expect(tcp(many, 445).length).toBeLessThan(40)
    const last = tcp(many, 445).at(-1)
    expect(last?.layer).toBe('data')
  })
})

describe('DCE/RPC in a segment', () => {
  test('is known on any port by itself', () => {
    expect(tcp(concat(bind([{ interface: DRSUAPI }]), request(3)), 49_664)).toMatchObject([
      { layer: 'dcerpc', typeName: 'bind', contexts: [{ interfaceName: 'drsuapi' }] },
      { layer: 'dcerpc', typeName: 'request', operation: 3, stubLength: 8 },
    ])
    expect(tcp(fromHex('0500000310000000'), 49_664)).toEqual([])
    expect(tcp(fromHex('474554202f20485454502f312e310d0a'), 49_664)).toEqual([])
  })

  test('has the answers of the endpoint mapper on its port', () => {
    const answer = response(mapResults(tcpTower(DRSUAPI, 4, 49_664, '10.9.0.10')))
    expect(tcp(answer, 135)).toMatchObject([{ layer: 'dcerpc', towers: [{ interfaceName: 'drsuapi', port: 49_664 }] }])
    expect(tcp(answer, 49_664)[0]).not.toHaveProperty('towers')
  })
})

describe('Kerberos', () => {
  test('is in datagrams, and in records of a stream', () => {
    expect(udp(asReq(), 88)).toMatchObject([{ layer: 'kerberos', messageName: 'AS-REQ', client: 'alice' }])
    const record = concat(be32(asReq().length), asReq())
    expect(tcp(record, 88)).toMatchObject([{ layer: 'kerberos', messageName: 'AS-REQ' }])
    expect(tcp(record, 88, 100)).toMatchObject([{ layer: 'kerberos', continues: true }])
    expect(tcp(krbError(25), 88)).toEqual([])
  })

  test('changes passwords in messages of its own', () => {
    const ticket = apReq('CORP.EXAMPLE', 'kadmin/changepw', 18)
    const message = concat(be16(6 + ticket.length), be16(0xff80), be16(ticket.length), ticket)
    const expected = [
      { layer: 'kpasswd', versionName: 'set password' },
      { layer: 'kerberos', messageName: 'AP-REQ', ticket: { service: 'kadmin/changepw' } },
    ]
    expect(udp(message, 464)).toMatchObject(expected)
    expect(tcp(concat(be32(message.length), message), 464)).toMatchObject(expected)
    expect(udp(fromHex('0006 0002 0000'), 464)).toEqual([])
  })
})

describe('LDAP', () => {
  test('has several messages in a segment', () => {
    expect(tcp(concat(simpleBind(1, 'cn=alice', 'S3cret'), searchRequest(2)), 389)).toMatchObject([
      { layer: 'ldap', operationName: 'bindRequest', name: 'cn=alice' },
      { layer: 'ldap', operationName: 'searchRequest' },
    ])
    expect(tcp(fromHex('16030100'), 389)).toEqual([])
  })

  test('may be signed or sealed', () => {
    const signature = fromHex('01000000 1122334455667788 00000000')
    const signed = wrapped(concat(signature, searchEntry(3, 'CN=alice', {}), searchEntry(3, 'CN=bob', {})))
    expect(tcp(signed, 389)).toMatchObject([
      { layer: 'ldap', isWrapped: true, object: 'CN=alice' },
      { layer: 'ldap', isWrapped: true, object: 'CN=bob' },
    ])
    const sealed = wrapped(concat(signature, new Uint8Array(40).fill(0x9a)))
    expect(tcp(sealed, 389)).toEqual([{ layer: 'ldap', isSealed: true, wrappedLength: sealed.length }])
  })

  test('pings over UDP', () => {
    const ping = searchRequest(1, {
      base: '',
      scope: 0,
      filter: filter.equal('DnsDomain', 'corp.example'),
      attributes: ['netlogon'],
    })
    expect(udp(ping, 389)).toMatchObject([
      { layer: 'ldap', filter: '(DnsDomain=corp.example)', attributes: ['netlogon'] },
    ])
  })
})

test('no octet of a password is told, wherever it lies', () => {
  const secret = 'QZQZQZQZ'
  const messages = [
    simpleBind(1, 'cn=alice', secret),
    searchRequest(2, { filter: filter.equal('userPassword', secret) }),
  ]
  for (const message of messages) expect(JSON.stringify(tcp(message, 389))).not.toContain('QZ')
})
