import { describe, expect, test } from 'vitest'
import { concat } from '../support/craft.ts'
import { bind, bindAck, fault, request, response, SVCCTL } from '../support/dcerpc.ts'
import { apReq } from '../support/kerberos.ts'
import {
  kerberosToken,
  negTokenInit,
  negTokenResp,
  ntlmAuthenticate,
  ntlmChallenge,
  ntlmNegotiate,
  OID_KERBEROS,
  OID_NTLM,
} from '../support/ntlm.ts'
import * as smb from '../support/smb.ts'
import { type Connection, Talk } from './inner-talk.ts'
import type { Side } from './support.ts'

const MORE = 0xc0000016
const SESSION = 0x77

/** One connection of SMB 2 whose message numbers count for the test. */
class Smb2Talk {
  readonly talk = new Talk()
  readonly connection: Connection
  #messageId = 0

  constructor() {
    this.connection = this.talk.tcp(445)
  }

  send(from: Side, ...messages: readonly Uint8Array[]): this {
    this.connection.say(from, concat(...messages.map((message) => smb.netbiosFrame(message))))
    return this
  }

  /** A request and its answer. */
  ask(command: number, body: Uint8Array, answer: Uint8Array, fields: smb.Smb2Fields = {}): this {
    const messageId = this.#messageId++
    const both = { treeId: 5, sessionId: SESSION, messageId }
    return this.send('client', smb.smb2(command, body, both)).send(
      'server',
      smb.smb2(command, answer, { ...both, ...fields, isResponse: true }),
    )
  }

  login(status = 0): this {
    const first = smb.smb2(1, smb.sessionSetupBody(negTokenInit([OID_NTLM], ntlmNegotiate())), { messageId: 1000 })
    const challenge = negTokenResp({ state: 1, token: ntlmChallenge({ dnsComputer: 'files.corp.example' }) })
    const second = smb.smb2(1, smb.sessionSetupBody(negTokenResp({ token: ntlmAuthenticate({ user: 'admin' }) })), {
      messageId: 1001,
      sessionId: SESSION,
    })
    return this.send('client', first)
      .send(
        'server',
        smb.smb2(1, smb.sessionSetupResponseBody(challenge), {
          isResponse: true,
          status: MORE,
          messageId: 1000,
          sessionId: SESSION,
        }),
      )
      .send('client', second)
      .send(
        'server',
        smb.smb2(1, status === 0 ? smb.sessionSetupResponseBody() : smb.errorBody(), {
          isResponse: true,
          status,
          messageId: 1001,
          sessionId: SESSION,
        }),
      )
  }

  tree(path = '\\\\files\\ADMIN$', type = 1): this {
    return this.ask(3, smb.treeConnectBody(path), smb.treeConnectResponseBody(type))
  }
}

describe('a login', () => {
  test('is told with who, whence and where to', () => {
    const { talk } = new Smb2Talk().login()
    expect(talk.only('ntlm.authenticated')).toMatchObject({
      'user.effective.name': 'admin',
      'user.effective.domain': 'CORP',
      'ntlm.version': 'NTLMv2',
      'ntlm.workstation': 'PC7',
      'ntlm.server.name': 'files.corp.example',
      'event.outcome': 'success',
    })
    expect(talk.only('smb.session.opened')).toMatchObject({
      'authentication.mechanism': 'NTLM',
      'smb.guest': false,
      'smb.encrypted': false,
    })
  })

  test('that is refused says why', () => {
    const { talk } = new Smb2Talk().login(0xc0000234)
    expect(talk.only('smb.session.refused')).toMatchObject({
      'user.effective.name': 'admin',
      'error.code': 'ACCOUNT_LOCKED_OUT',
      'event.outcome': 'failure',
    })
    expect(talk.only('ntlm.failed')['error.code']).toBe('ACCOUNT_LOCKED_OUT')
    expect(talk.told('smb.session.opened')).toEqual([])
  })

  test('with Kerberos names the service, and how weak its ticket is', () => {
    const talk = new Smb2Talk()
    const token = negTokenInit([OID_KERBEROS], kerberosToken(apReq('CORP.EXAMPLE', 'cifs/files', 23)))
    talk.ask(1, smb.sessionSetupBody(token), smb.sessionSetupResponseBody(negTokenResp({ state: 0 }), 4))
    expect(talk.talk.only('smb.session.opened')).toMatchObject({
      'authentication.mechanism': 'Kerberos',
      'kerberos.service': 'cifs/files',
      'kerberos.ticket.etype': 'rc4-hmac',
      'smb.encrypted': true,
    })
    expect(talk.talk.told('ntlm.authenticated')).toEqual([])
  })
})

describe('a file', () => {
  test('counts what is written until it is closed', () => {
    const { talk } = new Smb2Talk()
      .login()
      .tree()
      .ask(5, smb.createBody('evil.exe', { access: 0x40000000, disposition: 5 }), smb.createResponseBody(9, 2))
      .ask(9, smb.writeBody(9, new Uint8Array(5000)), smb.writeResponseBody(5000))
      .ask(9, smb.writeBody(9, new Uint8Array(300), 5000), smb.writeResponseBody(300))
      .ask(6, smb.closeBody(9), smb.closeResponseBody())
    expect(talk.only('smb.file.opened')).toMatchObject({
      'file.path': '\\\\files\\ADMIN$\\evil.exe',
      'file.extension': 'exe',
      'smb.file.action': 'created',
      'smb.share.name': 'ADMIN$',
      'user.effective.name': 'admin',
    })
    expect(talk.only('smb.file.closed')).toMatchObject({ 'smb.file.bytes_written': 5300, 'smb.file.bytes_read': 0 })
  })

  test('that is longer than a stream may hold back is not held back', () => {
    const length = 300_000
    const { talk } = new Smb2Talk()
      .login()
      .tree()
      .ask(5, smb.createBody('a.bin'), smb.createResponseBody(9))
      .ask(8, smb.readBody(9, length), smb.readResponseBody(new Uint8Array(length)))
      .ask(6, smb.closeBody(9), smb.closeResponseBody())
    expect(talk.only('smb.file.closed')['smb.file.bytes_read']).toBe(length)
    expect(talk.findings).toEqual([])
  })

  test('may be opened, read and closed by one message', () => {
    const before = new Uint8Array(16).fill(255)
    const patched = (body: Uint8Array, at: number): Uint8Array => {
      body.set(before, at)
      return body
    }
    const talk = new Smb2Talk().login().tree()
    const ids = { treeId: 5, sessionId: SESSION }
    const related = { treeId: 0xffffffff, sessionId: 0, flags: 4 }
    talk
      .send(
        'client',
        smb.compounded(
          smb.smb2(5, smb.createBody('c.txt'), { ...ids, messageId: 50 }),
          smb.smb2(8, patched(smb.readBody(0, 100), 16), { ...related, messageId: 51 }),
          smb.smb2(6, patched(smb.closeBody(0), 8), { ...related, messageId: 52 }),
        ),
      )
      .send(
        'server',
        smb.compounded(
          smb.smb2(5, smb.createResponseBody(9), { ...ids, messageId: 50, isResponse: true }),
          smb.smb2(8, smb.readResponseBody(new Uint8Array(100)), { ...ids, messageId: 51, isResponse: true, flags: 4 }),
          smb.smb2(6, smb.closeResponseBody(), { ...ids, messageId: 52, isResponse: true, flags: 4 }),
        ),
      )
    expect(talk.talk.only('smb.file.opened')['file.name']).toBe('c.txt')
    expect(talk.talk.findings).toEqual([])
  })

  test('is waited for while the server says that it takes time', () => {
    const talk = new Smb2Talk().login().tree()
    const ids = { treeId: 5, sessionId: SESSION, messageId: 60 }
    talk
      .send('client', smb.smb2(5, smb.createBody('slow.txt'), ids))
      .send('server', smb.smb2(5, smb.errorBody(), { ...ids, isResponse: true, status: 0x103, flags: 2 }))
    expect(talk.talk.told('smb.file.opened')).toEqual([])
    talk.send('server', smb.smb2(5, smb.createResponseBody(9), { ...ids, isResponse: true, flags: 2 }))
    expect(talk.talk.only('smb.file.opened')['file.name']).toBe('slow.txt')
  })

  test('that is only looked at, or is a folder, is not told', () => {
    const { talk } = new Smb2Talk()
      .login()
      .tree()
      .ask(5, smb.createBody('look.txt', { access: 0x80 }), smb.createResponseBody(9))
      .ask(5, smb.createBody('folder', { options: 1 }), smb.createResponseBody(10))
      .ask(5, smb.createBody(''), smb.createResponseBody(11))
    expect(talk.told('smb.file.opened')).toEqual([])
  })

  test('that is refused says why', () => {
    const { talk } = new Smb2Talk()
      .login()
      .tree()
      .ask(5, smb.createBody('secret.txt'), smb.errorBody(), { status: 0xc0000022 })
    expect(talk.only('smb.file.opened')).toMatchObject({ 'error.code': 'ACCESS_DENIED', 'event.outcome': 'failure' })
  })

  test('is renamed and deleted', () => {
    const { talk } = new Smb2Talk()
      .login()
      .tree()
      .ask(5, smb.createBody('a.docx'), smb.createResponseBody(9))
      .ask(17, smb.setInfoBody(9, 10, smb.renameTo('a.docx.locked')), new Uint8Array([2, 0]))
      .ask(17, smb.setInfoBody(9, 13, Uint8Array.of(1)), smb.errorBody(), { status: 0xc0000022 })
    expect(talk.only('smb.file.renamed')).toMatchObject({
      'file.name': 'a.docx',
      'smb.file.new_path': '\\\\files\\ADMIN$\\a.docx.locked',
      'event.outcome': 'success',
    })
    expect(talk.only('smb.file.deleted')).toMatchObject({ 'event.outcome': 'failure', 'error.code': 'ACCESS_DENIED' })
  })
})

describe('a pipe', () => {
  function openPipe(): Smb2Talk {
    return new Smb2Talk().login().tree('\\\\files\\IPC$', 2).ask(5, smb.createBody('svcctl'), smb.createResponseBody(9))
  }

  test('carries calls, in either way to speak to it', () => {
    const call = request(12)
    const { talk } = openPipe()
      .ask(9, smb.writeBody(9, bind([{ interface: SVCCTL, version: 2 }])), smb.writeResponseBody(72))
      .ask(8, smb.readBody(9, 1024), smb.readResponseBody(bindAck([[0, 0]])))
      .ask(11, smb.ioctlBody(smb.PIPE_TRANSCEIVE, 9, call), smb.ioctlResponseBody(smb.PIPE_TRANSCEIVE, 9, response()))
    expect(talk.only('smb.pipe.opened')).toMatchObject({ 'smb.pipe': 'svcctl', 'user.effective.name': 'admin' })
    expect(talk.only('dcerpc.bound')).toMatchObject({ 'dcerpc.interface.name': 'svcctl', 'smb.pipe': 'svcctl' })
    expect(talk.only('dcerpc.called')).toMatchObject({
      'dcerpc.operation.name': 'RCreateServiceW',
      'dcerpc.operation.number': 12,
      'user.effective.name': 'admin',
      'event.outcome': 'success',
    })
  })

  test('may give an answer in several pieces', () => {
    const long = response(new Uint8Array(3000))
    const { talk } = openPipe()
      .ask(9, smb.writeBody(9, bind([{ interface: SVCCTL }])), smb.writeResponseBody(72))
      .ask(8, smb.readBody(9, 1024), smb.readResponseBody(bindAck([[0, 0]])))
      .ask(9, smb.writeBody(9, request(14)), smb.writeResponseBody(32))
      .ask(8, smb.readBody(9, 1024), smb.readResponseBody(long.subarray(0, 1024)), { status: 0x80000005 })
      .ask(8, smb.readBody(9, 4096), smb.readResponseBody(long.subarray(1024)))
      .ask(9, smb.writeBody(9, request(0, undefined, { callId: 2 })), smb.writeResponseBody(32))
      .ask(8, smb.readBody(9, 1024), smb.readResponseBody(fault(5, { callId: 2 })))
    expect(talk.told('dcerpc.called').map((event) => [event['dcerpc.operation.name'], event['error.code']])).toEqual([
      ['REnumServicesStatusW', undefined],
      ['RCloseServiceHandle', 'ERROR_ACCESS_DENIED'],
    ])
    expect(talk.findings).toEqual([])
  })
})

describe('a stream with holes', () => {
  test('is read on at the next frame', () => {
    const talk = new Smb2Talk().login().tree()
    // Octets in the middle of a frame that the capture lost; that the server acknowledges them shows that they came.
    const lost = smb.netbiosFrame(smb.smb2(9, smb.writeBody(1, new Uint8Array(900))))
    talk.connection.say('client', lost.subarray(0, 300))
    talk.connection.next.client += 300
    talk.connection.say('client', lost.subarray(600))
    for (let i = 0; i < 10; i++) talk.ask(13, smb.shortBody(), smb.shortBody())
    talk.ask(3, smb.treeConnectBody('\\\\files\\C$'), smb.treeConnectResponseBody())
    expect(talk.talk.told('smb.tree.connected').map((event) => event['smb.share.name'])).toEqual(['ADMIN$', 'C$'])
    expect(talk.talk.findings).toEqual([])
  })

  test('that does not begin with a frame is told and looked through', () => {
    const talk = new Smb2Talk().login()
    talk.connection.say(
      'client',
      concat(
        new Uint8Array(64).fill(7),
        smb.netbiosFrame(smb.smb2(3, smb.treeConnectBody('\\\\a\\C$'), { messageId: 9, sessionId: SESSION })),
      ),
    )
    talk.send(
      'server',
      smb.smb2(3, smb.treeConnectResponseBody(), { messageId: 9, sessionId: SESSION, isResponse: true }),
    )
    expect(talk.talk.findings).toEqual(['netbios.type'])
    expect(talk.talk.only('smb.tree.connected')['smb.share.path']).toBe('\\\\a\\C$')
  })
})

test('who answers is the server, though the capture begins with an answer', () => {
  const talk = new Talk()
  const connection = talk.tcp(40_000, 445)
  connection.say('server', smb.netbiosFrame(smb.smb2(0, smb.negotiateBody({ dialects: [0x0210] }), { messageId: 0 })))
  connection.say(
    'client',
    smb.netbiosFrame(smb.smb2(0, smb.negotiateResponseBody({ dialect: 0x0210 }), { isResponse: true, messageId: 0 })),
  )
  expect(talk.only('smb.negotiated')).toMatchObject({
    'smb.version': '2.1',
    'smb.offered': ['2.1'],
    'destination.port': 445,
    'source.port': 40_000,
  })
})

test('what waits for an answer is bounded', () => {
  const talk = new Smb2Talk().login().tree()
  for (let i = 0; i < 600; i++)
    talk.send('client', smb.smb2(5, smb.createBody(`f${i}`), { messageId: 5000 + i, treeId: 5, sessionId: SESSION }))
  for (let i = 0; i < 600; i++)
    talk.send(
      'server',
      smb.smb2(5, smb.createResponseBody(100 + i), {
        messageId: 5000 + i,
        treeId: 5,
        sessionId: SESSION,
        isResponse: true,
      }),
    )
  expect(talk.talk.told('smb.file.opened')).toHaveLength(256)
})
