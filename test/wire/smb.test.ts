import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SmbBlockCursor, SmbView } from '../../src/wire/smb.ts'
import { describeSmb, type SmbBlock, type SmbRecord } from '../../src/wire/smb-describe.ts'
import { le16, le32, utf16le, uuid } from '../support/ber.ts'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { negTokenInit, negTokenResp, ntlmAuthenticate, ntlmChallenge, OID_NTLM } from '../support/ntlm.ts'
import {
  ANDX_END,
  smb1,
  smbBlock,
  smbCreate,
  smbCreateResponse,
  type SmbFields,
  smbNegotiate,
  smbReadResponse,
  smbSessionSetup,
  smbSessionSetupBlob,
  smbTransactPipe,
  smbTransactResponse,
  smbTransaction2,
  smbTreeConnect,
  smbWrite,
} from '../support/smb.ts'
import { inWindow } from '../support/window.ts'

function tellBytes(bytes: Uint8Array): SmbRecord {
  const view = new SmbView()
  expect(view.decode(bytes, 0, bytes.length)).toBeNull()
  return describeSmb(view)
}

function told(command: number, blocks: Uint8Array, fields: SmbFields = {}): SmbRecord {
  return tellBytes(smb1(command, blocks, fields))
}

function block(command: number, blocks: Uint8Array, fields: SmbFields = {}): SmbBlock {
  const record = told(command, blocks, fields)
  expect(record.flaw).toBeUndefined()
  return record.blocks[0]
}

const OEM = 0x4801
const DATA = fromHex('0102030405060708')

const ALL = [
  smbNegotiate('PC NETWORK PROGRAM 1.0', 'NT LM 0.12'),
  smb1(0x73, smbSessionSetup('alice', 'CORP')),
  smb1(0x73, smbSessionSetupBlob(negTokenResp({ token: ntlmAuthenticate() }))),
  smb1(0x75, smbTreeConnect('\\\\files\\C$')),
  smb1(0xa2, smbCreate('\\evil.exe')),
  smb1(0xa2, smbCreateResponse(7), { isResponse: true }),
  smb1(0x25, smbTransactPipe(7, DATA)),
  smb1(0x25, smbTransactResponse(DATA), { isResponse: true }),
  smb1(0x2f, smbWrite(7, DATA)),
  smb1(0x2e, smbReadResponse(DATA), { isResponse: true }),
  smb1(0x32, smbTransaction2(5, concat(le16(0x101), le32(0), utf16le('\\a\\b\0')))),
]

describe('the header', () => {
  test('is read', () => {
    const record = told(0x71, smbBlock(new Uint8Array(0)), { treeId: 3, userId: 100, multiplexId: 9 })
    expect(record).toEqual({
      command: 0x71,
      commandName: 'TREE_DISCONNECT',
      isResponse: false,
      flags: 0x18,
      flags2: 0xc807,
      isSigned: true,
      isUnicode: true,
      treeId: 3,
      processId: 0xfeff,
      userId: 100,
      multiplexId: 9,
      blocks: [{ command: 0x71, commandName: 'TREE_DISCONNECT', wordCount: 0 }],
    })
  })

  test('of a response has a status, of Windows or of DOS', () => {
    expect(told(0x75, smbBlock(new Uint8Array(0)), { isResponse: true, status: 0xc0000022 })).toMatchObject({
      statusName: 'ACCESS_DENIED',
    })
    expect(told(0x75, smbBlock(new Uint8Array(0)), { isResponse: true, status: 0x00050001, flags2: 0 })).toMatchObject({
      statusName: 'DOS 1/5',
    })
  })

  test('tells its flaws', () => {
    const view = new SmbView()
    const bytes = ALL[0]
    for (let end = 0; end < 32; end++) expect(view.decode(bytes, 0, end)).toBe('smb.truncated')
    expect(view.decode(concat(fromHex('fe'), bytes.subarray(1)), 0, bytes.length)).toBe('smb.header')
  })
})

describe('a negotiation', () => {
  test('lists what is offered', () => {
    expect(tellBytes(smbNegotiate('NT LM 0.12', 'SMB 2.???')).blocks[0].dialects).toEqual(['NT LM 0.12', 'SMB 2.???'])
  })

  const words = (mode: number, capabilities: number, challengeLength: number): Uint8Array =>
    concat(
      le16(5),
      Uint8Array.of(mode),
      le16(50),
      le16(1),
      le32(0x4104),
      le32(0x10000),
      le32(0),
      le32(capabilities),
      new Uint8Array(10),
      Uint8Array.of(challengeLength),
    )

  test('is answered with a security blob', () => {
    const bytes = concat(uuid('00112233-4455-6677-8899-aabbccddeeff'), negTokenInit([OID_NTLM]))
    expect(block(0x72, smbBlock(words(0x0f, 0x800000d4, 0), bytes), { isResponse: true })).toMatchObject({
      dialectIndex: 5,
      isSigningEnabled: true,
      isSigningRequired: true,
      hasExtendedSecurity: true,
      guid: '00112233-4455-6677-8899-aabbccddeeff',
      security: { mechanisms: ['NTLM'] },
    })
  })

  test('is answered with a challenge, which is not told', () => {
    const bytes = concat(fromHex('d7d7d7d7d7d7d7d7'), utf16le('CORP\0'), utf16le('FILES\0'))
    const answer = block(0x72, smbBlock(words(0x03, 0xd4, 8), bytes), { isResponse: true })
    expect(answer).toMatchObject({
      hasExtendedSecurity: false,
      isSigningEnabled: false,
      domain: 'CORP',
      serverName: 'FILES',
    })
    expect(JSON.stringify(answer)).not.toMatch(/d7d7|\ufffd/)
  })

  test('may refuse all', () => {
    expect(block(0x72, smbBlock(le16(0xffff)), { isResponse: true }).dialectIndex).toBe(0xffff)
  })
})

describe('a login', () => {
  test('tells who, and of the answers their lengths', () => {
    const login = block(0x73, smbSessionSetup('alice', 'CORP'))
    expect(login).toMatchObject({
      account: 'alice',
      domain: 'CORP',
      nativeOs: 'Windows',
      nativeLanMan: 'LanMan',
      oemPasswordLength: 24,
      unicodePasswordLength: 24,
    })
    expect(JSON.stringify(login)).not.toMatch(/d7d7|\ufffd/)
  })

  test('with extended security carries a blob', () => {
    expect(block(0x73, smbSessionSetupBlob(negTokenResp({ token: ntlmAuthenticate({ user: 'bob' }) })))).toMatchObject({
      hasExtendedSecurity: true,
      security: { ntlm: { user: 'bob' } },
      nativeOs: 'Windows',
    })
  })

  test('of LAN Manager has one password', () => {
    const words = concat(ANDX_END, le16(1024), le16(2), le16(0), le32(0), le16(6), le32(0))
    expect(block(0x73, smbBlock(words, utf8('S3cretalice\0CORP\0DOS\0LM\0')), { flags2: OEM })).toMatchObject({
      account: 'alice',
      domain: 'CORP',
      nativeOs: 'DOS',
      oemPasswordLength: 6,
    })
  })

  test('is answered', () => {
    const challenge = negTokenResp({ state: 1, token: ntlmChallenge({ computer: 'DC1' }) })
    const words = concat(ANDX_END, le16(0), le16(challenge.length))
    expect(block(0x73, smbBlock(words, challenge), { isResponse: true, status: 0xc0000016 })).toMatchObject({
      isGuest: false,
      security: { ntlm: { target: { netbiosComputerName: 'DC1' } } },
    })
    const plain = smbBlock(concat(ANDX_END, le16(1)), concat(Uint8Array.of(0), utf16le('OS\0LM\0CORP\0')))
    expect(block(0x73, plain, { isResponse: true })).toMatchObject({ isGuest: true, nativeOs: 'OS', domain: 'CORP' })
  })

  test('may bring the next command along', () => {
    const tree = smbTreeConnect('\\\\files\\IPC$')
    const setup = smbSessionSetup('alice', 'CORP', { andX: fromHex('7500 0000') })
    setup.set(le16(32 + setup.length), 3)
    const { blocks, flaw } = told(0x73, concat(setup, tree))
    expect(flaw).toBeUndefined()
    expect(blocks.map(({ commandName, path }) => path ?? commandName)).toEqual([
      'SESSION_SETUP_ANDX',
      '\\\\files\\IPC$',
    ])
  })
})

describe('a tree', () => {
  test('has a path; the password of its share is not told', () => {
    expect(block(0x75, smbTreeConnect('\\\\files\\ADMIN$', 'A:'))).toMatchObject({
      path: '\\\\files\\ADMIN$',
      service: 'A:',
      oemPasswordLength: 1,
    })
    const old = smbBlock(new Uint8Array(0), utf8('\x04\\\\FILES\\C\0\x04S3cret\0\x04A:\0'))
    const connect = block(0x70, old, { flags2: OEM })
    expect(connect).toMatchObject({ path: '\\\\FILES\\C', service: 'A:', oemPasswordLength: 6 })
    expect(JSON.stringify(connect)).not.toContain('S3cret')
  })

  test('has a kind', () => {
    const words = concat(ANDX_END, le16(1))
    expect(block(0x75, smbBlock(words, concat(utf8('A:\0'), utf16le('NTFS\0'))), { isResponse: true })).toMatchObject({
      service: 'A:',
      fileSystem: 'NTFS',
    })
  })
})

describe('a file', () => {
  test('is opened for something', () => {
    expect(block(0xa2, smbCreate('\\evil.exe', 0x40000000, 5))).toMatchObject({
      fileName: '\\evil.exe',
      accessNames: ['generic write'],
      disposition: 'overwrite if',
      impersonation: 'impersonation',
    })
    expect(block(0xa2, smbCreateResponse(0x4007), { isResponse: true })).toMatchObject({
      fileId: 0x4007,
      action: 'opened',
      isPipe: true,
    })
    expect(block(0xa2, smbCreateResponse(7, 0), { isResponse: true }).isPipe).toBe(false)
  })

  test('is written and read, and the data stay where they are', () => {
    const bytes = smb1(0x2f, smbWrite(7, DATA, 512))
    const { data, fileId, fileOffset, dataLength } = tellBytes(bytes).blocks[0]
    expect({ fileId, fileOffset, dataLength }).toEqual({ fileId: 7, fileOffset: 512, dataLength: 8 })
    expect(bytes.subarray(data?.start, data?.end)).toEqual(DATA)
    const answer = smb1(0x2e, smbReadResponse(DATA), { isResponse: true })
    const read = tellBytes(answer).blocks[0].data
    expect(answer.subarray(read?.start, read?.end)).toEqual(DATA)
  })

  test('is deleted, renamed, and looked at by old commands', () => {
    const named = (name: string): Uint8Array => concat(Uint8Array.of(4), utf8(`${name}\0`))
    expect(block(6, smbBlock(le16(0), named('\\a.txt')), { flags2: OEM }).fileName).toBe('\\a.txt')
    expect(block(7, smbBlock(le16(0), concat(named('\\a'), named('\\b'))), { flags2: OEM })).toMatchObject({
      fileName: '\\a',
      newName: '\\b',
    })
    expect(block(0, smbBlock(new Uint8Array(0), named('\\dir')), { flags2: OEM })).toMatchObject({
      commandName: 'CREATE_DIRECTORY',
      fileName: '\\dir',
    })
  })
})

describe('a transaction', () => {
  test('speaks to a pipe', () => {
    const bytes = smb1(0x25, smbTransactPipe(0x4007, DATA))
    const { data, ...told } = tellBytes(bytes).blocks[0]
    expect(told).toMatchObject({
      transactionName: '\\PIPE\\',
      subcommandName: 'TRANSACT_NMPIPE',
      fileId: 0x4007,
      dataLength: 8,
    })
    expect(bytes.subarray(data?.start, data?.end)).toEqual(DATA)
    const answer = smb1(0x25, smbTransactResponse(DATA), { isResponse: true })
    const answered = tellBytes(answer).blocks[0].data
    expect(answer.subarray(answered?.start, answered?.end)).toEqual(DATA)
  })

  test('of the second kind has a path in its parameters', () => {
    const path = utf16le('\\dir\\file.txt\0')
    expect(block(0x32, smbTransaction2(5, concat(le16(0x101), le32(0), path)))).toMatchObject({
      subcommandName: 'QUERY_PATH_INFORMATION',
      fileName: '\\dir\\file.txt',
    })
    expect(block(0x32, smbTransaction2(1, concat(new Uint8Array(12), utf16le('\\*\0')))).fileName).toBe('\\*')
    expect(block(0x32, smbTransaction2(7, concat(le16(0x4007), le16(0x101))))).toMatchObject({ fileId: 0x4007 })
    expect(block(0x32, smbTransaction2(14, new Uint8Array(12)))).toMatchObject({ subcommandName: 'SESSION_SETUP' })
  })

  test('of the third kind has a name', () => {
    const words = new Uint8Array(38)
    words.set(le16(2), 36)
    expect(block(0xa0, smbBlock(words))).toMatchObject({ subcommandName: 'IOCTL' })
  })
})

describe('a malformed message', () => {
  test('is told as far as it goes', () => {
    expect(told(0x73, fromHex('0d')).flaw).toBe('smb.block')
    expect(told(0x75, smbBlock(new Uint8Array(8), new Uint8Array(2), 60)).flaw).toBe('smb.block')
    const loop = smbSessionSetup('alice', 'CORP', { andX: fromHex('7300 2000') })
    expect(told(0x73, loop)).toMatchObject({ flaw: 'smb.andx_offset', blocks: [{ account: 'alice' }] })
    const outside = smbWrite(7, DATA)
    outside.set(le16(9), 1 + 20)
    expect(told(0x2f, outside)).toMatchObject({ flaw: 'smb.field' })
    expect(told(0x75, smbBlock(concat(ANDX_END, le16(0), le16(900)), new Uint8Array(3))).flaw).toBe('smb.field')
  })

  test('has no more commands than any chain', () => {
    const one = (next: number): Uint8Array => smbBlock(concat(fromHex('2400'), le16(next), new Uint8Array(12)))
    const size = one(0).length
    const chain = concat(...Array.from({ length: 40 }, (_, i) => one(32 + (i + 1) * size)), smbBlock(new Uint8Array(0)))
    expect(told(0x24, chain).blocks).toHaveLength(16)
  })

  test('every truncation is a flaw, and of what the capture cut it is none', () => {
    const view = new SmbView()
    for (const bytes of ALL) {
      for (let end = 32; end < bytes.length; end++) {
        view.decode(bytes, 0, end)
        expect(describeSmb(view).flaw).toMatch(/^smb\.(block|field)$/)
        view.decode(bytes, 0, end, bytes.length)
        const record = describeSmb(view)
        expect(record.isSnapped).toBe(true)
        expect(record.flaw ?? '').not.toBe('smb.block')
      }
    }
  })

  test('a cursor used again has forgotten everything', () => {
    const cursor = new SmbBlockCursor()
    const view = new SmbView()
    const broken = smb1(0x73, fromHex('0d'))
    view.decode(broken, 0, broken.length)
    expect(cursor.over(view).next()).toBe(false)
    expect(cursor.flaw).toBe('smb.block')
    view.decode(ALL[1], 0, ALL[1].length)
    expect(cursor.over(view).next()).toBe(true)
    expect(cursor.flaw).toBeNull()
  })

  test('with one octet changed nothing outside the window is read', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL), fc.nat(), fc.nat(255), (message, at, octet) => {
        const bytes = Uint8Array.from(message)
        bytes[at % bytes.length] = octet
        const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
          const view = new SmbView()
          const flaw = view.decode(buffer, start, end)
          if (flaw !== null) return flaw
          const { blocks, ...record } = describeSmb(view)
          return [record, blocks.map(({ data: _, ...rest }) => rest)]
        })
        expect(among).toEqual(elsewhere)
      }),
      { numRuns: 3000 },
    )
  })
})
