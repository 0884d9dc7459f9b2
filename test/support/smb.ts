/** Builds messages of SMB 1 ([MS-CIFS]) and of SMB 2 and 3 ([MS-SMB2]), in their NetBIOS frames. */
import { le16, le32, le64, utf16le, uuid } from './ber.ts'
import { concat, fromHex, utf8 } from './craft.ts'

export function netbiosFrame(payload: Uint8Array, type = 0): Uint8Array {
  const { length } = payload
  return concat(Uint8Array.of(type, (length >>> 16) & 255, (length >>> 8) & 255, length & 255), payload)
}

// --- SMB 2 and 3 ---------------------------------------------------------------------------------------------------------

export interface Smb2Fields {
  readonly status?: number
  readonly isResponse?: boolean
  readonly flags?: number
  readonly messageId?: number
  readonly treeId?: number
  readonly sessionId?: number
  readonly next?: number
}

const HEADER = 64

export function smb2(command: number, body: Uint8Array, fields: Smb2Fields = {}): Uint8Array {
  return concat(
    fromHex('fe534d42 4000 0100'),
    le32(fields.status ?? 0),
    le16(command),
    le16(1),
    le32((fields.flags ?? 0) | (fields.isResponse === true ? 1 : 0)),
    le32(fields.next ?? 0),
    le64(fields.messageId ?? 1),
    le32(0),
    le32(fields.treeId ?? 0),
    le64(fields.sessionId ?? 0),
    new Uint8Array(16),
    body,
  )
}

/** One behind another, each on a multiple of eight. */
function aligned(parts: readonly Uint8Array[]): Uint8Array {
  return concat(
    ...parts.flatMap((part, i) => (i === parts.length - 1 ? [part] : [part, new Uint8Array(-part.length & 7)])),
  )
}

/** Several messages in one frame, each but the last padded to a multiple of eight. */
export function compounded(...messages: readonly Uint8Array[]): Uint8Array {
  return concat(
    ...messages.map((message, index) => {
      if (index === messages.length - 1) return message
      const padded = concat(message, new Uint8Array(-message.length & 7))
      padded.set(le32(padded.length), 20)
      return padded
    }),
  )
}

function negotiateContext(type: number, data: Uint8Array): Uint8Array {
  return concat(le16(type), le16(data.length), le32(0), data)
}

interface NegotiateFields {
  readonly dialects?: readonly number[]
  readonly mode?: number
  readonly ciphers?: readonly number[]
  readonly netName?: string
}

export const CLIENT_GUID = '00112233-4455-6677-8899-aabbccddeeff'

export function negotiateBody(fields: NegotiateFields = {}): Uint8Array {
  const dialects = fields.dialects ?? [0x0202, 0x0210, 0x0300, 0x0302, 0x0311]
  const contexts = [
    negotiateContext(1, concat(le16(1), le16(32), le16(1), new Uint8Array(32))),
    negotiateContext(2, concat(le16(fields.ciphers?.length ?? 1), ...(fields.ciphers ?? [2]).map(le16))),
    ...(fields.netName === undefined ? [] : [negotiateContext(5, utf16le(fields.netName))]),
    negotiateContext(8, concat(le16(1), le16(1))),
  ]
  const has311 = dialects.includes(0x0311)
  const end = HEADER + 36 + dialects.length * 2
  const padding = new Uint8Array(-end & 7)
  return concat(
    le16(36),
    le16(dialects.length),
    le16(fields.mode ?? 1),
    le16(0),
    le32(0x7f),
    uuid(CLIENT_GUID),
    has311 ? concat(le32(end + padding.length), le16(contexts.length), le16(0)) : new Uint8Array(8),
    ...dialects.map(le16),
    ...(has311 ? [padding, aligned(contexts)] : []),
  )
}

export function negotiateResponseBody(
  fields: { readonly dialect?: number; readonly mode?: number; readonly blob?: Uint8Array } = {},
): Uint8Array {
  const { dialect = 0x0300, mode = 1, blob = new Uint8Array(0) } = fields
  return concat(
    le16(65),
    le16(mode),
    le16(dialect),
    le16(0),
    uuid('ffeeddcc-bbaa-9988-7766-554433221100'),
    le32(0x45),
    le32(0x100000),
    le32(0x100000),
    le32(0x100000),
    fromHex('0080350cd1dfd601'),
    new Uint8Array(8),
    le16(HEADER + 64),
    le16(blob.length),
    le32(0),
    blob,
  )
}

export function sessionSetupBody(blob: Uint8Array, previousSessionId = 0): Uint8Array {
  return concat(
    le16(25),
    Uint8Array.of(0, 1),
    le32(1),
    le32(0),
    le16(HEADER + 24),
    le16(blob.length),
    le64(previousSessionId),
    blob,
  )
}

export function sessionSetupResponseBody(blob: Uint8Array = new Uint8Array(0), flags = 0): Uint8Array {
  return concat(le16(9), le16(flags), le16(HEADER + 8), le16(blob.length), blob)
}

export function treeConnectBody(path: string): Uint8Array {
  const name = utf16le(path)
  return concat(le16(9), le16(0), le16(HEADER + 8), le16(name.length), name)
}

export function treeConnectResponseBody(type = 1, flags = 0): Uint8Array {
  return concat(le16(16), Uint8Array.of(type, 0), le32(flags), le32(0), le32(0x001f01ff))
}

interface CreateFields {
  readonly access?: number
  readonly disposition?: number
  readonly options?: number
}

export function createBody(fileName: string, fields: CreateFields = {}): Uint8Array {
  const name = utf16le(fileName)
  return concat(
    le16(57),
    Uint8Array.of(0, 0),
    le32(2),
    le64(0),
    le64(0),
    le32(fields.access ?? 0x00120089),
    le32(0),
    le32(7),
    le32(fields.disposition ?? 1),
    le32(fields.options ?? 0x40),
    le16(HEADER + 56),
    le16(name.length),
    le32(0),
    le32(0),
    name.length === 0 ? new Uint8Array(1) : name,
  )
}

/** A file as 16 octets of one number. */
export function fileIdOctets(number: number): Uint8Array {
  return concat(le64(number), le64(number))
}

export function createResponseBody(file: number, action = 1, size = 0): Uint8Array {
  return concat(
    le16(89),
    Uint8Array.of(0, 0),
    le32(action),
    fromHex('0080350cd1dfd601'),
    new Uint8Array(24),
    le64(size),
    le64(size),
    le32(0x20),
    le32(0),
    fileIdOctets(file),
    new Uint8Array(8),
  )
}

export function closeBody(file: number): Uint8Array {
  return concat(le16(24), le16(0), le32(0), fileIdOctets(file))
}

export function closeResponseBody(): Uint8Array {
  return concat(le16(60), new Uint8Array(58))
}

export function readBody(file: number, length: number, offset = 0): Uint8Array {
  return concat(le16(49), le16(0), le32(length), le64(offset), fileIdOctets(file), new Uint8Array(17))
}

export function readResponseBody(data: Uint8Array): Uint8Array {
  return concat(le16(17), Uint8Array.of(HEADER + 16, 0), le32(data.length), le64(0), data)
}

export function writeBody(file: number, data: Uint8Array, offset = 0): Uint8Array {
  return concat(
    le16(49),
    le16(HEADER + 48),
    le32(data.length),
    le64(offset),
    fileIdOctets(file),
    new Uint8Array(16),
    data,
  )
}

export function writeResponseBody(length: number): Uint8Array {
  return concat(le16(17), le16(0), le32(length), le64(0), Uint8Array.of(0))
}

export const PIPE_TRANSCEIVE = 0x0011c017

export function ioctlBody(code: number, file: number, input: Uint8Array): Uint8Array {
  return concat(
    le16(57),
    le16(0),
    le32(code),
    fileIdOctets(file),
    le32(HEADER + 56),
    le32(input.length),
    le32(0),
    le32(0),
    le32(0),
    le32(1024),
    le32(1),
    le32(0),
    input,
  )
}

export function ioctlResponseBody(code: number, file: number, output: Uint8Array): Uint8Array {
  return concat(
    le16(49),
    le16(0),
    le32(code),
    fileIdOctets(file),
    le32(HEADER + 48),
    le32(0),
    le32(HEADER + 48),
    le32(output.length),
    le64(0),
    output,
  )
}

export function setInfoBody(file: number, informationClass: number, data: Uint8Array): Uint8Array {
  return concat(
    le16(33),
    Uint8Array.of(1, informationClass),
    le32(data.length),
    le16(HEADER + 32),
    le16(0),
    le32(0),
    fileIdOctets(file),
    data,
  )
}

export function renameTo(name: string): Uint8Array {
  const text = utf16le(name)
  return concat(new Uint8Array(16), le32(text.length), text)
}

export function queryDirectoryBody(file: number, pattern: string): Uint8Array {
  const text = utf16le(pattern)
  return concat(
    le16(33),
    Uint8Array.of(37, 0),
    le32(0),
    fileIdOctets(file),
    le16(HEADER + 32),
    le16(text.length),
    le32(0x10000),
    text,
  )
}

export function errorBody(): Uint8Array {
  return concat(le16(9), new Uint8Array(7))
}

export function shortBody(): Uint8Array {
  return concat(le16(4), le16(0))
}

export function encryptedMessage(sessionId: number, length: number): Uint8Array {
  return concat(
    fromHex('fd534d42'),
    new Uint8Array(32),
    le32(length),
    le16(0),
    le16(1),
    le64(sessionId),
    new Uint8Array(length).fill(0x9a),
  )
}

// --- SMB 1 ---------------------------------------------------------------------------------------------------------------

export interface SmbFields {
  readonly status?: number
  readonly isResponse?: boolean
  readonly flags2?: number
  readonly treeId?: number
  readonly userId?: number
  readonly multiplexId?: number
}

/** `blocks` are commands with their words and bytes, as `smbBlock` makes them. */
export function smb1(command: number, blocks: Uint8Array, fields: SmbFields = {}): Uint8Array {
  return concat(
    fromHex('ff534d42'),
    Uint8Array.of(command),
    le32(fields.status ?? 0),
    Uint8Array.of(fields.isResponse === true ? 0x98 : 0x18),
    le16(fields.flags2 ?? 0xc807),
    new Uint8Array(12),
    le16(fields.treeId ?? 0),
    le16(0xfeff),
    le16(fields.userId ?? 0),
    le16(fields.multiplexId ?? 1),
    blocks,
  )
}

export function smbBlock(
  words: Uint8Array,
  bytes: Uint8Array = new Uint8Array(0),
  byteCount = bytes.length,
): Uint8Array {
  return concat(Uint8Array.of(words.length / 2), words, le16(byteCount), bytes)
}

/** No command follows. */
export const ANDX_END = fromHex('ff00 0000')

export function smbNegotiate(...dialects: readonly string[]): Uint8Array {
  return smb1(
    0x72,
    smbBlock(new Uint8Array(0), concat(...dialects.map((name) => concat(Uint8Array.of(2), utf8(`${name}\0`))))),
  )
}

/** Texts in UTF-16 behind one octet, which brings them to an even place: words of these commands end on an odd one. */
function texts(isPadded: boolean, ...values: readonly string[]): Uint8Array {
  return concat(new Uint8Array(isPadded ? 1 : 0), ...values.map((value) => utf16le(`${value}\0`)))
}

/** Words of a session setup without extended security: two passwords, then who and where. */
export function smbSessionSetup(
  account: string,
  domain: string,
  fields: { readonly passwords?: readonly [Uint8Array, Uint8Array]; readonly andX?: Uint8Array } = {},
): Uint8Array {
  const [oem, unicode] = fields.passwords ?? [new Uint8Array(24).fill(0xd7), new Uint8Array(24).fill(0xd7)]
  return smbBlock(
    concat(
      fields.andX ?? ANDX_END,
      le16(0x4104),
      le16(50),
      le16(0),
      le32(0),
      le16(oem.length),
      le16(unicode.length),
      le32(0),
      le32(0xd4),
    ),
    concat(oem, unicode, texts(true, account, domain, 'Windows', 'LanMan')),
  )
}

/** With extended security: a blob, then the systems. */
export function smbSessionSetupBlob(blob: Uint8Array): Uint8Array {
  const words = concat(ANDX_END, le16(0x4104), le16(50), le16(0), le32(0), le16(blob.length), le32(0), le32(0x800000d4))
  return smbBlock(words, concat(blob, texts(blob.length % 2 === 0, 'Windows', 'LanMan')))
}

export function smbTreeConnect(path: string, service = '?????'): Uint8Array {
  const words = concat(ANDX_END, le16(8), le16(1))
  return smbBlock(words, concat(Uint8Array.of(0), utf16le(`${path}\0`), utf8(`${service}\0`)))
}

export function smbCreate(fileName: string, access = 0x0002019f, disposition = 1): Uint8Array {
  const name = utf16le(`${fileName}\0`)
  return smbBlock(
    concat(
      ANDX_END,
      Uint8Array.of(0),
      le16(name.length),
      le32(0x16),
      le32(0),
      le32(access),
      le64(0),
      le32(0),
      le32(3),
      le32(disposition),
      le32(0),
      le32(2),
      Uint8Array.of(3),
    ),
    concat(Uint8Array.of(0), name),
  )
}

export function smbCreateResponse(file: number, resourceType = 2): Uint8Array {
  return smbBlock(
    concat(
      ANDX_END,
      Uint8Array.of(0),
      le16(file),
      le32(1),
      new Uint8Array(36),
      le64(0),
      le64(0),
      le16(resourceType),
      le16(0x05ff),
      Uint8Array.of(0),
    ),
  )
}

const PIPE_NAME = utf16le('\\PIPE\\\0')

/** A TRANSACTION on the named pipe, with everything behind the name on multiples of four. */
export function smbTransactPipe(file: number, data: Uint8Array): Uint8Array {
  const bytesAt = 32 + 1 + 32 + 2
  const dataAt = (bytesAt + 1 + PIPE_NAME.length + 3) & ~3
  return smbBlock(
    concat(
      le16(0),
      le16(data.length),
      le16(0),
      le16(1024),
      Uint8Array.of(0, 0),
      le16(0),
      le32(0),
      le16(0),
      le16(0),
      le16(dataAt),
      le16(data.length),
      le16(dataAt),
      Uint8Array.of(2, 0),
      le16(0x26),
      le16(file),
    ),
    concat(Uint8Array.of(0), PIPE_NAME, new Uint8Array(dataAt - bytesAt - 1 - PIPE_NAME.length), data),
  )
}

export function smbTransactResponse(data: Uint8Array): Uint8Array {
  const dataAt = 32 + 1 + 20 + 2 + 1
  return smbBlock(
    concat(
      le16(0),
      le16(data.length),
      le16(0),
      le16(0),
      le16(dataAt),
      le16(0),
      le16(data.length),
      le16(dataAt),
      le16(0),
      Uint8Array.of(0, 0),
    ),
    concat(Uint8Array.of(0), data),
  )
}

export function smbWrite(file: number, data: Uint8Array, offset = 0): Uint8Array {
  const dataAt = 32 + 1 + 28 + 2 + 1
  return smbBlock(
    concat(
      ANDX_END,
      le16(file),
      le32(offset),
      le32(0),
      le16(8),
      le16(0),
      le16(data.length >>> 16),
      le16(data.length),
      le16(dataAt),
      le32(0),
    ),
    concat(Uint8Array.of(0), data),
  )
}

export function smbReadResponse(data: Uint8Array): Uint8Array {
  const dataAt = 32 + 1 + 24 + 2 + 1
  return smbBlock(
    concat(ANDX_END, le16(0), le16(0), le16(0), le16(data.length), le16(dataAt), le16(0), new Uint8Array(8)),
    concat(Uint8Array.of(0), data),
  )
}

export function smbTransaction2(subcommand: number, parameters: Uint8Array): Uint8Array {
  const parametersAt = 32 + 1 + 30 + 2 + 3
  return smbBlock(
    concat(
      le16(parameters.length),
      le16(0),
      le16(10),
      le16(1024),
      Uint8Array.of(0, 0),
      le16(0),
      le32(0),
      le16(0),
      le16(parameters.length),
      le16(parametersAt),
      le16(0),
      le16(0),
      Uint8Array.of(1, 0),
      le16(subcommand),
    ),
    concat(new Uint8Array(3), parameters),
  )
}
