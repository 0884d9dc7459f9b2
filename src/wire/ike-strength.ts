/**
 * How good the algorithms of IKE are, by what the standards say of them today: RFC 8247 (which must not and should not be
 * used), RFC 9395 (which are deprecated, and with them all of IKEv1), NIST SP 800-131A (triple DES, SHA-1), RFC 9370 (several
 * key exchanges, one of them safe from quantum computers).
 */

/**
 * `forbidden`: broken, or MUST NOT be used. `deprecated`: on the way there. `sound`: what has to be implemented today.
 * `strong`: authenticated encryption or 256-bit keys, and groups of 128 bits of security. `quantum_resistant`: strong, and a
 * recording of it cannot be opened by a quantum computer.
 */
export const IKE_LEVELS = ['forbidden', 'deprecated', 'sound', 'strong', 'quantum_resistant'] as const
/** An index in `IKE_LEVELS`. */
export type IkeLevel = 0 | 1 | 2 | 3 | 4

const FORBIDDEN = 0
const DEPRECATED = 1
const SOUND = 2
const STRONG = 3
const QUANTUM_RESISTANT = 4

export interface IkeGrade {
  /** If of everything the best is chosen. */
  readonly best: IkeLevel
  /** If of everything the worst is chosen. */
  readonly worst: IkeLevel
  /** What makes it worse than sound, in short words: `des`, `sha1`, `modp1024`. */
  readonly weaknesses: readonly string[]
  /** A key exchange is in it that withstands quantum computers. */
  readonly isQuantumResistant: boolean
}

/** The first that fits counts. Names of authentication methods and of sequence numbers fit none, and say nothing. */
const GRADES: readonly (readonly [name: RegExp, level: IkeLevel, weakness?: string])[] = [
  [/NULL(?!_AUTH)|AUTH_NONE|^NONE$/, FORBIDDEN, 'null'],
  [/(3|TRIPLE-?)DES/, DEPRECATED, '3des'],
  [/3IDEA|IDEA/, FORBIDDEN, 'idea'],
  [/DES/, FORBIDDEN, 'des'],
  [/RC4/, FORBIDDEN, 'rc4'],
  [/RC5/, FORBIDDEN, 'rc5'],
  [/CAST/, FORBIDDEN, 'cast'],
  [/BLOWFISH/, FORBIDDEN, 'blowfish'],
  [/TIGER/, FORBIDDEN, 'tiger'],
  [/MD5/, FORBIDDEN, 'md5'],
  [/SHA1|SHA$/, DEPRECATED, 'sha1'],
  [/RIPEMD/, DEPRECATED, 'ripemd'],
  [/SHA2|SM3|STREEBOG/, STRONG],
  [/(AES|CAMELLIA)_(GCM|CCM)|CHACHA20|MGM|GMAC/, STRONG],
  [/(AES|CAMELLIA).*256/, STRONG],
  [/AES|CAMELLIA|SM[14]|SEED/, SOUND],
  [/^modp1024s160$/, FORBIDDEN, 'modp1024s160'],
  [/^modp2048s\d+$/, DEPRECATED, 'modp2048s'],
  [/^modp768$/, FORBIDDEN, 'modp768'],
  [/^modp1024$/, DEPRECATED, 'modp1024'],
  [/^modp1536$/, DEPRECATED, 'modp1536'],
  [/^modp2048$/, SOUND],
  [/^modp\d{4}$/, STRONG],
  [/^ec2n/, FORBIDDEN, 'ec2n'],
  [/^ecp192$/, DEPRECATED, 'ecp192'],
  [/^ecp224(bp)?$/, DEPRECATED, 'ecp224'],
  [/^(ecp|curve|gost)/, STRONG],
  [/^(ml-kem|ntru|newhope)/, QUANTUM_RESISTANT],
]

function gradeOf(name: string): (typeof GRADES)[number] | undefined {
  return GRADES.find(([pattern]) => pattern.test(name))
}

/** The algorithms of a suite in words, as `IkeSuite.text` has them: `A/B+C/D` is A, B or C, and D. */
export function gradeSuite(text: string): IkeGrade {
  let best: IkeLevel = QUANTUM_RESISTANT
  let worst: IkeLevel = QUANTUM_RESISTANT
  let isQuantumResistant = false
  const weaknesses = new Set<string>()
  for (const part of text.split('/')) {
    let partBest: IkeLevel | undefined
    for (const name of part.split('+')) {
      const grade = gradeOf(name)
      if (grade === undefined) continue
      const [, level, weakness] = grade
      if (weakness !== undefined) weaknesses.add(weakness)
      if (level === QUANTUM_RESISTANT) isQuantumResistant = true
      if (partBest === undefined || level > partBest) partBest = level
      if (level < worst) worst = level
    }
    // A hybrid is quantum resistant if one of its key exchanges is; all else has to be strong.
    if (partBest !== undefined && partBest < best) best = partBest
  }
  const limit = isQuantumResistant ? QUANTUM_RESISTANT : STRONG
  return {
    best: lifted(best, limit),
    worst: lifted(worst, limit),
    weaknesses: [...weaknesses].sort(),
    isQuantumResistant,
  }
}

/** What is strong throughout is quantum resistant if something in it is. */
function lifted(level: IkeLevel, limit: IkeLevel): IkeLevel {
  return level >= STRONG ? limit : level
}

/** Several suites, of which one may be chosen. Null if there are none. */
export function gradeOffer(texts: readonly string[]): IkeGrade | null {
  if (texts.length === 0) return null
  const grades = texts.map(gradeSuite)
  return {
    best: Math.max(...grades.map(({ best }) => best)) as IkeLevel,
    worst: Math.min(...grades.map(({ worst }) => worst)) as IkeLevel,
    weaknesses: [...new Set(grades.flatMap(({ weaknesses }) => weaknesses))].sort(),
    isQuantumResistant: grades.some((grade) => grade.isQuantumResistant),
  }
}

/** Whether a choice is one of the suites offered: of each part one of the alternatives, all from the same suite. */
export function isOffered(choice: string, offers: readonly string[]): boolean {
  const chosen = choice.split('/')
  return offers.some((offer) => {
    const parts = offer.split('/').map((part) => part.split('+'))
    return chosen.every((name) => parts.some((alternatives) => alternatives.includes(name)))
  })
}

/** Octets of a message of IKEv2 that protects so much plaintext; null if the suite does not tell. */
export function sealedLength2(suite: string, plaintext: number): number | null {
  const shape = SHAPES_V2.find(([pattern]) => pattern.test(suite))
  if (shape === undefined) return null
  const [, iv, block, ownTag] = shape
  const tag = ownTag ?? INTEGRITY_LENGTHS.find(([pattern]) => pattern.test(suite))?.[1]
  if (tag === undefined) return null
  // Behind the plaintext stands one octet that tells the length of the padding.
  return HEADER + PAYLOAD_HEADER + iv + Math.ceil((plaintext + 1) / block) * block + tag
}

/** Octets of a message of IKEv1 that protects so much plaintext, behind the HASH payload that begins each of them. */
export function sealedLength1(suite: string, plaintext: number): number | null {
  const block = BLOCKS_V1.find(([pattern]) => pattern.test(suite))?.[1]
  const hash = HASHES_V1.find(([pattern]) => pattern.test(suite))?.[1]
  if (block === undefined || hash === undefined) return null
  return HEADER + Math.ceil((PAYLOAD_HEADER + hash + plaintext) / block) * block
}

const HEADER = 28
const PAYLOAD_HEADER = 4

/** By cipher: initialisation vector, block, tag if it makes its own. */
const SHAPES_V2: readonly (readonly [cipher: RegExp, iv: number, block: number, tag?: number])[] = [
  [/^ENCR_AES_[GC]CM_8_IIV/, 0, 1, 8],
  [/^ENCR_(AES_GCM_16|CHACHA20_POLY1305)_IIV/, 0, 1, 16],
  [/^ENCR_(AES|CAMELLIA)_[GC]CM_8/, 8, 1, 8],
  [/^ENCR_(AES|CAMELLIA)_[GC]CM_12/, 8, 1, 12],
  [/^ENCR_((AES|CAMELLIA)_[GC]CM_16|CHACHA20_POLY1305)/, 8, 1, 16],
  [/^ENCR_(AES|CAMELLIA)_CTR/, 8, 1],
  [/^ENCR_(AES|CAMELLIA)_CBC/, 16, 16],
  [/^ENCR_(3DES|DES|BLOWFISH|CAST|IDEA)/, 8, 8],
]
const INTEGRITY_LENGTHS: readonly (readonly [RegExp, number])[] = [
  [/AUTH_HMAC_(MD5|SHA1)_96|AUTH_AES_(XCBC|CMAC)_96/, 12],
  [/AUTH_HMAC_SHA2_256_128|AUTH_HMAC_MD5_128/, 16],
  [/AUTH_HMAC_SHA1_160/, 20],
  [/AUTH_HMAC_SHA2_384_192/, 24],
  [/AUTH_HMAC_SHA2_512_256/, 32],
]
const BLOCKS_V1: readonly (readonly [RegExp, number])[] = [
  [/^(AES|CAMELLIA|SM[14])-/, 16],
  [/^(3DES|DES|IDEA|BLOWFISH|CAST|RC5)/, 8],
]
const HASHES_V1: readonly (readonly [RegExp, number])[] = [
  [/\/MD5\b/, 16],
  [/\/SHA1\b/, 20],
  [/\/TIGER\b/, 24],
  [/\/(SHA2-256|SM3)\b/, 32],
  [/\/SHA2-384\b/, 48],
  [/\/SHA2-512\b/, 64],
]
