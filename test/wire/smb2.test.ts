import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Smb2View, smbKind } from '../../src/wire/smb2.ts'
import { describeSmb2, type Smb2Record } from '../../src/wire/smb2-describe.ts'
import { describeSmb2Compressed, describeSmb2Encrypted } from '../../src/wire/smb2-transform.ts'
import { le16, le32, uuid } from '../support/ber.ts'
import { concat, fromHex } from '../support/craft.ts'
import { negTokenInit, negTokenResp, ntlmAuthenticate, ntlmChallenge, OID_NTLM } from '../support/ntlm.ts'
import {
  CLIENT_GUID,
  closeBody,
  closeResponseBody,
  compounded,
  createBody,
  createResponseBody,
  encryptedMessage,
  errorBody,
  ioctlBody,
  ioctlResponseBody,
  negotiateBody,
  negotiateResponseBody,
  PIPE_TRANSCEIVE,
  queryDirectoryBody,
  readBody,
  readResponseBody,
  renameTo,
  sessionSetupBody,
  sessionSetupResponseBody,
  setInfoBody,
  shortBody,
  smb2,
  type Smb2Fields,
  treeConnectBody,
  treeConnectResponseBody,
  writeBody,
  writeResponseBody,
} from '../support/smb.ts'
import { inWindow } from '../support/window.ts'

const MORE_PROCESSING_REQUIRED = 0xc0000016

function told(command: number, body: Uint8Array, fields: Smb2Fields = {}): Smb2Record {
  const bytes = smb2(command, body, fields)
  const view = new Smb2View()
  expect(view.decode(bytes, 0, bytes.length)).toBeNull()
  return describeSmb2(view)
}

function answered(command: number, body: Uint8Array, fields: Smb2Fields = {}): Smb2Record {
  return told(command, body, { isResponse: true, ...fields })
}

const DATA = fromHex('0102030405060708')

/** Without the octet that stands for a part of variable length which is empty. */
function bare(body: Uint8Array): Uint8Array {
  return body.subarray(0, body.length - 1)
}

const ALL: readonly (readonly [command: number, body: Uint8Array, fields: Smb2Fields])[] = [
  [0, negotiateBody({ netName: 'files' }), {}],
  [0, negotiateResponseBody({ blob: negTokenInit([OID_NTLM]) }), { isResponse: true }],
  [1, sessionSetupBody(negTokenResp({ token: ntlmAuthenticate() })), {}],
  [
    1,
    sessionSetupResponseBody(negTokenResp({ token: ntlmChallenge() })),
    { isResponse: true, status: MORE_PROCESSING_REQUIRED },
  ],
  [3, treeConnectBody('\\\\files\\C$'), {}],
  [3, treeConnectResponseBody(), { isResponse: true }],
  [5, createBody('evil.exe'), {}],
  [5, createResponseBody(7), { isResponse: true }],
  [6, closeBody(7), {}],
  [8, bare(readBody(7, 4096)), {}],
  [8, readResponseBody(DATA), { isResponse: true }],
  [9, writeBody(7, DATA), {}],
  [9, bare(writeResponseBody(8)), { isResponse: true }],
  [11, ioctlBody(PIPE_TRANSCEIVE, 7, DATA), {}],
  [11, ioctlResponseBody(PIPE_TRANSCEIVE, 7, DATA), { isResponse: true }],
  [14, queryDirectoryBody(7, '*'), {}],
  [17, setInfoBody(7, 10, renameTo('new.exe')), {}],
]

describe('the header', () => {
  test('is read', () => {
    const record = told(6, closeBody(7), { messageId: 9, treeId: 5, sessionId: 0x112233, flags: 0x0c })
    expect(record).toEqual({
      command: 6,
      commandName: 'CLOSE',
      isResponse: false,
      messageId: '9',
      sessionId: '0000000000112233',
      treeId: 5,
      isSigned: true,
      isRelated: true,
      isAsync: false,
      fileId: '07000000000000000700000000000000',
    })
  })

  test('of a response has a status with a name', () => {
    expect(answered(3, errorBody(), { status: 0xc0000022 })).toMatchObject({
      isResponse: true,
      status: 0xc0000022,
      statusName: 'ACCESS_DENIED',
    })
    expect(answered(3, errorBody(), { status: 0xc0ffee00 }).statusName).toBe('c0ffee00')
  })

  test('of an asynchronous message has no tree', () => {
    const pending = answered(11, errorBody(), { flags: 2, status: 0x103 })
    expect(pending).toMatchObject({ statusName: 'PENDING', isAsync: true })
    expect(pending).not.toHaveProperty('treeId')
    expect(pending).not.toHaveProperty('flaw')
  })

  test('tells its flaws', () => {
    const view = new Smb2View()
    const bytes = smb2(6, closeBody(7))
    for (let end = 0; end < 64; end++) expect(view.decode(bytes, 0, end)).toBe('smb2.truncated')
    expect(view.decode(smb2(6, closeBody(7), { next: 8 }), 0, bytes.length)).toBe('smb2.next_command')
    expect(view.decode(smb2(6, closeBody(7), { next: 8000 }), 0, bytes.length)).toBe('smb2.next_command')
    const odd = Uint8Array.from(bytes)
    odd[4] = 63
    expect(view.decode(odd, 0, odd.length)).toBe('smb2.header')
  })

  test('leads to the messages that are compounded with it', () => {
    const bytes = compounded(
      smb2(5, createBody('a')),
      smb2(11, ioctlBody(PIPE_TRANSCEIVE, 0xff, DATA), { flags: 4 }),
      smb2(6, closeBody(0xff), { flags: 4 }),
    )
    const view = new Smb2View()
    const commands: string[] = []
    for (let at = 0; ; at = view.nextStart) {
      expect(view.decode(bytes, at, bytes.length)).toBeNull()
      const record = describeSmb2(view)
      commands.push(`${record.commandName}${record.isRelated ? ' related' : ''}`)
      expect(record.flaw).toBeUndefined()
      if (view.nextStart === 0) break
    }
    expect(commands).toEqual(['CREATE', 'IOCTL related', 'CLOSE related'])
  })

  test('distinguishes the forms of SMB', () => {
    expect(smbKind(fromHex('ff534d42'), 0, 4)).toBe('smb')
    expect(smbKind(fromHex('fe534d42'), 0, 4)).toBe('smb2')
    expect(smbKind(fromHex('fd534d42'), 0, 4)).toBe('smb2-encrypted')
    expect(smbKind(fromHex('fc534d42'), 0, 4)).toBe('smb2-compressed')
    expect(smbKind(fromHex('fb534d42'), 0, 4)).toBeNull()
    expect(smbKind(fromHex('fe534d43'), 0, 4)).toBeNull()
    expect(smbKind(fromHex('fe534d42'), 0, 3)).toBeNull()
  })
})

describe('a negotiation', () => {
  test('tells what is offered', () => {
    expect(told(0, negotiateBody({ netName: 'files', ciphers: [2, 1, 9], mode: 3 }))).toMatchObject({
      dialects: ['2.0.2', '2.1', '3.0', '3.0.2', '3.1.1'],
      isSigningEnabled: true,
      isSigningRequired: true,
      guid: CLIENT_GUID,
      hashes: ['SHA-512'],
      ciphers: ['AES-128-GCM', 'AES-128-CCM', '9'],
      signings: ['AES-CMAC'],
      netName: 'files',
      capabilities: [
        'DFS',
        'leasing',
        'large MTU',
        'multi-channel',
        'persistent handles',
        'directory leasing',
        'encryption',
      ],
    })
  })

  test('of old dialects has no contexts', () => {
    const record = told(0, negotiateBody({ dialects: [0x0202, 0x0210, 0x9999] }))
    expect(record.dialects).toEqual(['2.0.2', '2.1', '0x9999'])
    expect(record).not.toHaveProperty('ciphers')
  })

  test('tells what is chosen', () => {
    expect(
      answered(0, negotiateResponseBody({ dialect: 0x0302, mode: 1, blob: negTokenInit([OID_NTLM]) })),
    ).toMatchObject({
      dialect: '3.0.2',
      isSigningRequired: false,
      guid: 'ffeeddcc-bbaa-9988-7766-554433221100',
      systemTime: expect.stringMatching(/^2021-01-01T/),
      security: { mechanisms: ['NTLM'] },
    })
  })

  test('is repeated under protection', () => {
    const request = concat(le32(0x7f), uuid(CLIENT_GUID), le16(1), le16(2), le16(0x0202), le16(0x0300))
    expect(told(11, ioctlBody(0x00140204, 0, request))).toMatchObject({
      controlName: 'FSCTL_VALIDATE_NEGOTIATE_INFO',
      dialects: ['2.0.2', '3.0'],
      guid: CLIENT_GUID,
    })
    const response = concat(le32(1), uuid(CLIENT_GUID), le16(3), le16(0x0300))
    expect(answered(11, ioctlResponseBody(0x00140204, 0, response))).toMatchObject({
      dialect: '3.0',
      isSigningRequired: true,
    })
  })
})

describe('a login', () => {
  test('tells who', () => {
    expect(told(1, sessionSetupBody(negTokenResp({ token: ntlmAuthenticate({ user: 'bob' }) }), 0x77))).toMatchObject({
      previousSessionId: '0000000000000077',
      security: { mechanism: 'NTLM', ntlm: { user: 'bob', domain: 'CORP', workstation: 'PC7' } },
    })
  })

  test('goes on, succeeds or fails', () => {
    const challenge = negTokenResp({ state: 1, token: ntlmChallenge({ computer: 'DC1' }) })
    expect(answered(1, sessionSetupResponseBody(challenge), { status: MORE_PROCESSING_REQUIRED })).toMatchObject({
      statusName: 'MORE_PROCESSING_REQUIRED',
      security: { ntlm: { target: { netbiosComputerName: 'DC1' } } },
    })
    expect(answered(1, sessionSetupResponseBody(undefined, 1)).sessionFlags).toEqual(['guest'])
    const failed = answered(1, errorBody(), { status: 0xc000006d })
    expect(failed).toMatchObject({ statusName: 'LOGON_FAILURE' })
    expect(failed).not.toHaveProperty('sessionFlags')
    expect(failed).not.toHaveProperty('flaw')
  })
})

describe('a tree', () => {
  test('has a path, and a type', () => {
    expect(told(3, treeConnectBody('\\\\files\\ADMIN$')).path).toBe('\\\\files\\ADMIN$')
    expect(answered(3, treeConnectResponseBody(2))).toMatchObject({ shareType: 'pipe', isShareEncrypted: false })
    expect(answered(3, treeConnectResponseBody(1, 0x8000))).toMatchObject({ shareType: 'disk', isShareEncrypted: true })
  })
})

describe('a file', () => {
  test('is opened for something', () => {
    expect(told(5, createBody('dir\\evil.exe', { access: 0x40000002, disposition: 5, options: 0x1040 }))).toMatchObject(
      {
        fileName: 'dir\\evil.exe',
        desiredAccess: 0x40000002,
        accessNames: ['write data', 'generic write'],
        disposition: 'overwrite if',
        options: ['non-directory', 'delete on close'],
        impersonation: 'impersonation',
      },
    )
    expect(told(5, createBody('')).fileName).toBe('')
  })

  test('is made or was there', () => {
    expect(answered(5, createResponseBody(7, 2, 300))).toMatchObject({
      action: 'created',
      endOfFile: 300,
      fileId: '07000000000000000700000000000000',
      createdTime: expect.stringMatching(/^2021/),
    })
    expect(answered(5, createResponseBody(7, 0x8003)).action).toBe('overwritten')
    expect(answered(5, errorBody(), { status: 0xc0000034 }).statusName).toBe('OBJECT_NAME_NOT_FOUND')
  })

  test('is read and written, and the data stay where they are', () => {
    expect(told(8, readBody(7, 4096, 512))).toMatchObject({ dataLength: 4096, fileOffset: 512 })
    const bytes = smb2(9, writeBody(7, DATA, 1024))
    const view = new Smb2View()
    view.decode(bytes, 0, bytes.length)
    const record = describeSmb2(view)
    expect(record).toMatchObject({ dataLength: 8, fileOffset: 1024 })
    expect(bytes.subarray(record.data?.start, record.data?.end)).toEqual(DATA)
    expect(answered(8, readResponseBody(DATA))).toMatchObject({ dataLength: 8, data: { start: 80, end: 88 } })
    expect(answered(9, writeResponseBody(8)).dataLength).toBe(8)
  })

  test('is renamed and deleted', () => {
    expect(told(17, setInfoBody(7, 10, renameTo('b\\new.exe')))).toMatchObject({
      informationType: 'file',
      informationClass: 'FileRenameInformation',
      newName: 'b\\new.exe',
    })
    expect(told(17, setInfoBody(7, 13, Uint8Array.of(1))).isDeletion).toBe(true)
    expect(told(17, setInfoBody(7, 64, le32(0))).isDeletion).toBe(false)
    expect(told(17, setInfoBody(7, 10, new Uint8Array(8)))).not.toHaveProperty('newName')
  })

  test('may be looked for', () => {
    expect(told(14, queryDirectoryBody(7, '*.kdbx'))).toMatchObject({
      pattern: '*.kdbx',
      informationClass: 'FileIdBothDirectoryInformation',
    })
  })

  test('may be a pipe, to which something is said', () => {
    expect(told(11, ioctlBody(PIPE_TRANSCEIVE, 7, DATA))).toMatchObject({
      controlName: 'FSCTL_PIPE_TRANSCEIVE',
      isFsctl: true,
      dataLength: 8,
    })
    expect(told(11, ioctlBody(0x00060194, 7, DATA))).not.toHaveProperty('data')
    expect(told(11, ioctlBody(0x12345678, 7, DATA)).controlName).toBe('0x12345678')
  })
})

describe('what is wrapped', () => {
  test('tells its session and length', () => {
    const bytes = encryptedMessage(0x77, 100)
    expect(describeSmb2Encrypted(bytes, 0, bytes.length)).toEqual({
      sessionId: '0000000000000077',
      originalLength: 100,
      flags: 1,
    })
    expect(describeSmb2Encrypted(bytes, 0, 51)).toBeNull()
  })

  test('tells how it is compressed', () => {
    const bytes = fromHex('fc534d42 00100000 0300 0000 10000000')
    expect(describeSmb2Compressed(bytes, 0, 16)).toEqual({
      originalLength: 4096,
      algorithm: 'LZ77+Huffman',
      isChained: false,
      plainLength: 16,
    })
    expect(describeSmb2Compressed(fromHex('fc534d42 00100000 0400 0100 10000000'), 0, 16)).toMatchObject({
      algorithm: 'Pattern_V1',
      isChained: true,
    })
    expect(describeSmb2Compressed(bytes, 0, 15)).toBeNull()
  })
})

describe('a malformed message', () => {
  test('names what is wrong with its body', () => {
    expect(told(5, shortBody()).flaw).toBe('smb2.body')
    expect(told(5, new Uint8Array(0)).flaw).toBe('smb2.body')
    const outside = writeBody(7, DATA)
    outside.set(le32(9), 4)
    expect(told(9, outside)).toMatchObject({ flaw: 'smb2.field', dataLength: 9 })
    const before = writeBody(7, DATA)
    before.set(le16(3), 2)
    expect(told(9, before).flaw).toBe('smb2.field')
    const contexts = negotiateBody()
    contexts.set(le32(4), 28)
    expect(told(0, contexts).flaw).toBe('smb2.field')
  })

  test('every truncation is a flaw, and of what the capture cut it is none', () => {
    const view = new Smb2View()
    for (const [command, body, fields] of ALL) {
      const bytes = smb2(command, body, fields)
      for (let end = 0; end < bytes.length; end++) {
        const flaw = view.decode(bytes, 0, end)
        if (flaw === null) expect(describeSmb2(view).flaw, `${command} ${end}`).toMatch(/^smb2\.(body|field)$/)
        if (view.decode(bytes, 0, end, bytes.length) !== null) continue
        const record = describeSmb2(view)
        expect(record.flaw, `${command} ${end}`).toBeUndefined()
        expect(record.isSnapped, `${command} ${end}`).toBe(true)
      }
    }
  })

  test('with one octet changed nothing outside the window is read', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL), fc.nat(), fc.nat(255), ([command, body, fields], at, octet) => {
        const bytes = smb2(command, body, fields)
        bytes[at % bytes.length] = octet
        const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
          const view = new Smb2View()
          const flaw = view.decode(buffer, start, end)
          if (flaw !== null) return flaw
          const { data, ...record } = describeSmb2(view)
          if (data !== undefined) expect(data.start >= start && data.start <= data.end && data.end <= end).toBe(true)
          return record
        })
        expect(among).toEqual(elsewhere)
      }),
      { numRuns: 3000 },
    )
  })

  test('of other sizes than any is told by its header', () => {
    expect(answered(6, closeResponseBody())).not.toHaveProperty('flaw')
    expect(told(99, DATA)).toMatchObject({ commandName: '99' })
  })
})
