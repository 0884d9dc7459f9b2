/**
 * Files with the keys of ESP SAs, in the forms in which they are at hand:
 *
 * - what `ip xfrm state` prints on the gateway, as it is;
 * - lines of Wireshark's table of ESP SAs (`esp_sa` in its folder of preferences);
 * - YAML or JSON: a list of SAs, or one under the key `esp`, with the keys `source`, `destination`, `spi`, `encryption`,
 *   `encryptionKey`, `integrity`, `integrityKey`, `icvBits`, `extended`, `sequenceHigh`; or with the names that xfrm's own tools
 *   give them: `src`, `dst`, `enc`, `ekey`, `auth`, `akey`, `abits`.
 *
 * A pure function of the text. What is wrong is told with its line, and never with what stands in it.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { AddressPattern, EspKeyEntry } from './dissect/esp-keyring.ts'
import { type EspEncryption, type EspKeyMaterial, EspKeys, INTEGRITIES, problemOfKeys } from './wire/esp-algorithms.ts'

export interface EspKeyFile {
  readonly entries: readonly EspKeyEntry[]
  /** Each with its line: `line 7: the key has 15 octets …`. */
  readonly problems: readonly string[]
}

const ENTRIES_MAX = 100_000

/** An SA before it was checked: everything as text, with the line on which it begins. */
interface Draft {
  readonly line: number
  source?: string | undefined
  destination?: string | undefined
  spi?: string | undefined
  encryption?: string | undefined
  encryptionKey?: string | undefined
  integrity?: string | undefined
  integrityKey?: string | undefined
  icvBits?: string | undefined
  extended?: string | undefined
  sequenceHigh?: string | undefined
}

export function parseEspKeys(text: string): EspKeyFile {
  const problems: string[] = []
  const drafts = looksStructured(text) ? draftsOfYaml(text, problems) : draftsOfLines(text, problems)
  if (drafts.length > ENTRIES_MAX) problems.push(`more than ${ENTRIES_MAX} SAs`)
  const entries: EspKeyEntry[] = []
  for (const draft of drafts.slice(0, ENTRIES_MAX)) {
    const entry = entryOf(draft)
    if (typeof entry === 'string') problems.push(`line ${draft.line}: ${entry}`)
    else entries.push(entry)
  }
  return { entries, problems }
}

/** The other forms begin with `src`, with a quote, or not at all. */
function looksStructured(text: string): boolean {
  const first = text.split(/\r?\n/).find((line) => /\S/.test(line) && !/^\s*#/.test(line)) ?? ''
  return /^\s*([[{]|---|- |\w+\s*:(\s|$))/.test(first)
}

// ------------------------------------------------------------------------------------------------------- YAML and JSON

const ALIASES: Readonly<Record<string, keyof Draft>> = {
  src: 'source',
  dst: 'destination',
  enc: 'encryption',
  ekey: 'encryptionKey',
  auth: 'integrity',
  akey: 'integrityKey',
  abits: 'icvBits',
  esn: 'extended',
}
const FIELDS: ReadonlySet<string> = new Set([
  'source',
  'destination',
  'spi',
  'encryption',
  'encryptionKey',
  'integrity',
  'integrityKey',
  'icvBits',
  'extended',
  'sequenceHigh',
])
/** What such files say of an SA besides, and what opening it does not need. */
const PASSED_OVER: ReadonlySet<string> = new Set(['encap', 'mode', 'reqid', 'comment', 'name'])

function draftsOfYaml(text: string, problems: string[]): Draft[] {
  const lines = new LineCounter()
  // A number would lose leading zeros, and keys have 160 bits and more.
  const document = parseDocument(text, { lineCounter: lines, schema: 'failsafe' })
  const lineOf = (node: Node | null | undefined) => lines.linePos(node?.range?.[0] ?? 0).line
  const [error] = document.errors
  if (error !== undefined) {
    problems.push(`line ${lines.linePos(error.pos[0]).line}: this is neither YAML nor JSON`)
    return []
  }
  const root = document.contents
  const list = isMap(root) ? (root.get('esp', true) as Node | undefined) : root
  if (!isSeq(list)) {
    problems.push(`line ${lineOf(root)}: expected a list of SAs, or one under the key "esp"`)
    return []
  }
  const drafts: Draft[] = []
  for (const item of list.items as Node[]) {
    const line = lineOf(item)
    if (!isMap(item)) {
      problems.push(`line ${line}: expected an SA with keys such as "destination", "spi" and "encryption"`)
      continue
    }
    const draft: Draft = { line }
    for (const pair of item.items) {
      const key = String(pair.key)
      const field = ALIASES[key] ?? key
      if (FIELDS.has(field)) Object.assign(draft, { [field]: withPrefix(field, String(pair.value ?? '')) })
      else if (!PASSED_OVER.has(key)) problems.push(`line ${lineOf(pair.key as Node)}: an SA has no such key`)
    }
    drafts.push(draft)
  }
  return drafts
}

/** Here nobody means letters by what could be digits. */
function withPrefix(field: string, value: string): string {
  return field.endsWith('Key') && /^([0-9a-f]{2})+$/i.test(value) ? `0x${value}` : value
}

// -------------------------------------------------------------------------------------------- tables and `ip xfrm state`

function draftsOfLines(text: string, problems: string[]): Draft[] {
  const drafts: Draft[] = []
  const blocks: XfrmBlock[] = []
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1
    const words = raw.trim()
    if (words === '' || words.startsWith('#')) continue
    let problem: string | null = null
    if (words.startsWith('"')) {
      const draft = draftOfTable(words, line)
      if (typeof draft === 'string') problem = draft
      else drafts.push(draft)
    } else if (words.startsWith('src ')) blocks.push(new XfrmBlock(words, line))
    else {
      problem =
        blocks.length > 0
          ? blocks[blocks.length - 1].read(words)
          : 'neither an SA of "ip xfrm state", which begins with "src", nor a line of Wireshark\'s table'
    }
    if (problem !== null) problems.push(`line ${line}: ${problem}`)
  }
  // An SA of AH or of compression has nothing to open.
  return [...drafts, ...blocks.filter(({ isOther }) => !isOther).map(({ draft }) => draft)]
}

/** One SA of `ip xfrm state`, with and without `-s`. */
class XfrmBlock {
  readonly draft: Draft
  /** No ESP. */
  isOther = false

  constructor(head: string, line: number) {
    const [, source, , destination] = head.split(/\s+/)
    this.draft = {
      line,
      source: anyIfUnspecified(source),
      destination: anyIfUnspecified(destination),
      extended: 'false',
    }
  }

  /** Gives what is wrong with the line, or null. */
  read(words: string): string | null {
    const { draft } = this
    // With -s it says the length of each key, and each number twice.
    const parts = words
      .replace(/\((0x[0-9a-f]+|\d+ bits|\d+)\)/gi, ' ')
      .trim()
      .split(/\s+/)
    const [kind, name = '', key = '', bits] = parts
    switch (kind) {
      case 'proto':
        draft.spi = parts[parts.indexOf('spi') + 1]
        this.isOther = name !== 'esp'
        break
      case 'auth':
      case 'auth-trunc':
        draft.integrity = name
        draft.integrityKey = key
        draft.icvBits = bits
        return hidden(words)
      case 'enc':
        draft.encryption = name
        draft.encryptionKey = key
        return hidden(words)
      case 'aead':
        draft.encryption = name
        draft.encryptionKey = key
        draft.icvBits = bits
        return hidden(words)
      case 'replay-window':
        if (parts.includes('esn')) draft.extended = 'true'
        break
      case 'seq-hi':
        draft.sequenceHigh = highest(name, parts[parts.indexOf('oseq-hi') + 1])
        break
      default:
    }
    return null
  }
}

/** An SA counts what it receives or what it sends, according to whose it is. */
function highest(received: string, sent: string | undefined): string {
  return String(Math.max(Number.parseInt(received, 16) || 0, Number.parseInt(sent ?? '', 16) || 0))
}

function hidden(words: string): string | null {
  return words.includes('<<') ? 'the keys are hidden; print them with "ip xfrm state", not with "nokeys"' : null
}

function anyIfUnspecified(address: string | undefined): string | undefined {
  return address === '0.0.0.0' || address === '::' ? '*' : address
}

/** Protocol, source, destination, SPI, encryption, its key, integrity, its key, and in newer versions the sequence numbers. */
function draftOfTable(words: string, line: number): Draft | string {
  const cells = [...words.matchAll(/"((?:[^"\\]|\\.)*)"\s*(,|$)/g)].map(([, cell]) => cell)
  if (cells.length < 8) return `expected 8 cells in quotes, found ${cells.length}`
  const [, source, destination, spi, encryption, encryptionKey, integrity, integrityKey, length, high] = cells
  return {
    line,
    source,
    destination,
    spi,
    encryption,
    encryptionKey,
    integrity,
    integrityKey,
    ...(length === '64-bit' ? { extended: 'true', sequenceHigh: high } : {}),
  }
}

// -------------------------------------------------------------------------------------------------------------- checking

function entryOf(draft: Draft): EspKeyEntry | string {
  const source = addressPattern(draft.source)
  const destination = addressPattern(draft.destination)
  const spi = spiPattern(draft.spi)
  if (source === undefined) return 'the source is no address; * stands for any'
  if (destination === undefined) return 'the destination is no address; * stands for any'
  if (spi === null) return 'the SPI is none: a number such as 0xc9b37d51, or * for any'
  if (draft.encryption === undefined) return 'an SA needs the name of its encryption, if only NULL'
  const selector = { source, destination, ...spi }
  const encryption = encryptionOf(draft.encryption)
  if (typeof encryption === 'string') return { ...selector, keys: null, unsupported: encryption }
  const material = materialOf(draft, encryption)
  if (typeof material === 'string') return material
  if (material.integrity.startsWith('?')) return { ...selector, keys: null, unsupported: material.integrity.slice(1) }
  const problem = problemOfKeys(material)
  return problem ?? { ...selector, keys: new EspKeys(material) }
}

function materialOf(draft: Draft, encryption: Encryption): EspKeyMaterial | string {
  const encryptionKey = octetsOf(draft.encryptionKey)
  const integrityKey = octetsOf(draft.integrityKey)
  if (encryptionKey === null) return 'the key is not in hexadecimal digits'
  if (integrityKey === null) return 'the integrity key is not in hexadecimal digits'
  const bits = draft.icvBits === undefined || draft.icvBits === '' ? undefined : Number(draft.icvBits)
  if (bits !== undefined && (!Number.isInteger(bits) || bits < 0 || bits % 8 !== 0))
    return 'the length of the ICV is no number of bits'
  const high = Number(draft.sequenceHigh ?? 0)
  if (!Number.isInteger(high) || high < 0 || high > 0xffff_ffff)
    return 'the high half of the sequence number is no number of 32 bits'
  const common = {
    encryption: encryption.name,
    encryptionKey,
    ...(draft.extended === undefined ? {} : { isExtended: draft.extended === 'true' }),
    sequenceHigh: high,
  }
  if (encryption.isCombined) {
    const icvLength = encryption.icvLength ?? (bits ?? uncheckedBits(draft.integrity)) / 8
    return {
      ...common,
      integrity: 'NULL',
      integrityKey: new Uint8Array(0),
      ...(icvLength > 0 ? { icvLength } : {}),
    }
  }
  return { ...common, integrity: integrityOf(draft.integrity, bits), integrityKey }
}

interface Encryption {
  readonly name: EspEncryption
  readonly isCombined: boolean
  /** Where the name says it. */
  readonly icvLength?: number
}

/** Names as xfrm, Wireshark and the RFCs write them, without spaces, capitals and what stands in brackets. */
const ENCRYPTION_NAMES: Readonly<Record<string, EspEncryption>> = {
  null: 'NULL',
  none: 'NULL',
  cipher_null: 'NULL',
  'ecb(cipher_null)': 'NULL',
  'des-cbc': 'DES-CBC',
  'cbc(des)': 'DES-CBC',
  '3des-cbc': '3DES-CBC',
  'tripledes-cbc': '3DES-CBC',
  'cbc(des3_ede)': '3DES-CBC',
  'aes-cbc': 'AES-CBC',
  'cbc(aes)': 'AES-CBC',
  'aes-ctr': 'AES-CTR',
  'rfc3686(ctr(aes))': 'AES-CTR',
  'aes-gcm': 'AES-GCM',
  'rfc4106(gcm(aes))': 'AES-GCM',
  'aes-gcm-iiv': 'AES-GCM-IIV',
  'aes-gcmwithiiv': 'AES-GCM-IIV',
  'aes-ccm': 'AES-CCM',
  'rfc4309(ccm(aes))': 'AES-CCM',
  'aes-ccm-iiv': 'AES-CCM-IIV',
  'chacha20-poly1305': 'ChaCha20-Poly1305',
  chacha20withpoly1305: 'ChaCha20-Poly1305',
  'rfc7539esp(chacha20,poly1305)': 'ChaCha20-Poly1305',
  'chacha20-poly1305-iiv': 'ChaCha20-Poly1305-IIV',
  chacha20withpoly1305andiiv: 'ChaCha20-Poly1305-IIV',
  'aes-gmac': 'AES-GMAC',
  'aes-null-gmac': 'AES-GMAC',
  'rfc4543(gcm(aes))': 'AES-GMAC',
}
const COMBINED: ReadonlySet<EspEncryption> = new Set<EspEncryption>([
  'AES-GCM',
  'AES-GCM-IIV',
  'AES-CCM',
  'AES-CCM-IIV',
  'ChaCha20-Poly1305',
  'ChaCha20-Poly1305-IIV',
  'AES-GMAC',
])

/** An algorithm, or the name of one that cannot be opened. */
function encryptionOf(words: string): Encryption | string {
  const name = plainName(words)
  const match = /^(.*?)(?:(?:with|and)(\d+)octeticv)?$/.exec(name)
  const known = ENCRYPTION_NAMES[match?.[1] ?? '']
  if (known === undefined) return nameOnly(words)
  const icvLength = match?.[2] === undefined ? {} : { icvLength: Number(match[2]) }
  return { name: known, isCombined: COMBINED.has(known), ...icvLength }
}

/** Hash or cipher of a name, and the bits that are usual where the file says none. */
const INTEGRITY_NAMES: Readonly<Record<string, readonly [name: string, bits: number]>> = {
  null: ['NULL', 0],
  none: ['NULL', 0],
  digest_null: ['NULL', 0],
  '': ['NULL', 0],
  'hmac(md5)': ['HMAC-MD5', 96],
  'hmac-md5': ['HMAC-MD5', 96],
  'hmac(sha1)': ['HMAC-SHA1', 96],
  'hmac-sha1': ['HMAC-SHA1', 96],
  'hmac-sha-1': ['HMAC-SHA1', 96],
  // Without a length it is an "auth" of an old kernel, which cut it to 96 bits.
  'hmac(sha256)': ['HMAC-SHA2-256', 96],
  'hmac-sha2-256': ['HMAC-SHA2-256', 128],
  'hmac-sha-256': ['HMAC-SHA2-256', 128],
  'hmac(sha384)': ['HMAC-SHA2-384', 192],
  'hmac-sha2-384': ['HMAC-SHA2-384', 192],
  'hmac-sha-384': ['HMAC-SHA2-384', 192],
  'hmac(sha512)': ['HMAC-SHA2-512', 256],
  'hmac-sha2-512': ['HMAC-SHA2-512', 256],
  'hmac-sha-512': ['HMAC-SHA2-512', 256],
  'hmac(rmd160)': ['HMAC-RIPEMD-160', 96],
  'hmac-ripemd-160': ['HMAC-RIPEMD-160', 96],
  'mac-ripemd-160': ['HMAC-RIPEMD-160', 96],
  'xcbc(aes)': ['AES-XCBC', 96],
  'aes-xcbc': ['AES-XCBC', 96],
  'aes-xcbc-mac': ['AES-XCBC', 96],
  'cmac(aes)': ['AES-CMAC', 96],
  'aes-cmac': ['AES-CMAC', 96],
}

/** A name in `INTEGRITIES`, or behind a question mark the name of what is not. */
function integrityOf(words: string | undefined, bits: number | undefined): string {
  const name = plainName(words ?? '')
  const unchecked = uncheckedBits(words)
  if (unchecked > 0) return `unchecked-${unchecked}`
  if (INTEGRITY_NAMES[name]?.[0] === 'NULL') return 'NULL'
  const match = /^(.+?)(?:-(\d+))?$/.exec(name)
  const [stem, usual] = INTEGRITY_NAMES[name] ?? INTEGRITY_NAMES[match?.[1] ?? ''] ?? []
  const stated = INTEGRITY_NAMES[name] === undefined ? match?.[2] : undefined
  const whole = `${stem}-${bits ?? stated ?? usual}`
  return INTEGRITIES[whole] === undefined ? `?${nameOnly(words ?? '')}` : whole
}

/** Wireshark's way of saying that there are so many bits, and that they are not to be checked; else 0. */
function uncheckedBits(words: string | undefined): number {
  const match = /^(?:any|unchecked-)(\d+)/.exec(plainName(words ?? ''))
  return match === null ? 0 : Number(match[1])
}

function plainName(words: string): string {
  return words
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\s+/g, '')
    .toLowerCase()
}

const ALGORITHM =
  /^[\w(),\- ]{0,30}(aes|aria|blowfish|camellia|cast|chacha|des|idea|md5|rc5|ripemd|rmd|seed|serpent|sha|sm3|sm4|tiger|twofish)[\w(),\- ]{0,30}$/i

/** What is shown of a name: a line in the wrong order has a key where a name should be. */
function nameOnly(words: string): string {
  return ALGORITHM.test(words) && !/[0-9a-f]{8}/i.test(words) ? words : 'an unknown algorithm'
}

/** Digits behind 0x; without it the text itself is the key, as in Wireshark. Null if it is neither. */
function octetsOf(words: string | undefined): Uint8Array | null {
  const digits = (words ?? '').replace(/[\s_:]/g, '')
  if (digits === '' || digits === '0x') return new Uint8Array(0)
  if (/^0x([0-9a-f]{2})+$/i.test(digits)) return Uint8Array.from(Buffer.from(digits.slice(2), 'hex'))
  return digits.startsWith('0x') ? null : new TextEncoder().encode(words)
}

function spiPattern(words: string | undefined): { readonly spi: number; readonly spiMask: number } | null {
  if (words === undefined) return null
  if (words === '*' || words === '0x*') return { spi: 0, spiMask: 0 }
  const digits = /^0x([0-9a-f*]{1,8})$/i.exec(words)?.[1]
  if (digits !== undefined) {
    // A short pattern that ends in a star goes on with anything; a short number has its zeros in front.
    const whole = digits.endsWith('*') ? digits.padEnd(8, '*') : digits.padStart(8, '0')
    return {
      spi: Number.parseInt(whole.replaceAll('*', '0'), 16),
      spiMask: Number.parseInt(whole.replace(/[^*]/g, 'f').replaceAll('*', '0'), 16),
    }
  }
  const number = /^\d{1,10}$/.test(words) ? Number(words) : -1
  return number < 0 || number > 0xffff_ffff ? null : { spi: number, spiMask: 0xffff_ffff }
}

/** Null for any address; undefined if the text is none. */
function addressPattern(words: string | undefined): AddressPattern | null | undefined {
  if (words === undefined || words === '' || words === '*') return null
  const [address, prefix] = words.split('/')
  const groups = address.includes(':') ? groupsOfIpv6(address) : groupsOfIpv4(address)
  if (groups === null) return undefined
  const bits = prefix === undefined ? groups.length * 8 : Number(prefix)
  if (!Number.isInteger(bits) || bits < 0 || bits > groups.length * 8) return undefined
  const mask = Uint8Array.from(groups, (octet, at) => (octet === null ? 0 : maskAt(bits, at)))
  return { octets: Uint8Array.from(groups, (octet, at) => (octet ?? 0) & mask[at]), mask }
}

function maskAt(bits: number, at: number): number {
  return (0xff00 >> Math.min(8, Math.max(0, bits - at * 8))) & 0xff
}

/** Octets, null for a star. */
function groupsOfIpv4(address: string): (number | null)[] | null {
  const parts = address.split('.')
  if (!isIPv4(parts.map((part) => (part === '*' ? '0' : part)).join('.'))) return null
  return parts.map((part) => (part === '*' ? null : Number(part)))
}

function groupsOfIpv6(address: string): (number | null)[] | null {
  if (!isIPv6(address.replaceAll('*', '0')) || address.includes('.') || address.includes('%')) return null
  const [head, tail] = address.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length
  return [...first, ...new Array<string>(zeros).fill('0'), ...last].flatMap((group) => {
    if (group === '*') return [null, null]
    const word = Number.parseInt(group.replaceAll('*', '0'), 16)
    return [word >> 8, word & 0xff]
  })
}
