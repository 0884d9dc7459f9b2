/**
 * Fingerprints of TLS programs: JA3 and JA3S (MD5 over the numbers of a hello, in its order) and JA4 (readable, and blind to
 * the order that browsers shuffle). GREASE values count in none of them.
 */
import { hash } from 'node:crypto'
import { highestVersion, type TlsClientHello, type TlsServerHello } from './tls-hello.ts'
import { isGrease, TLS_EXTENSION } from './tls-tables.ts'

/** Version, cipher suites, extensions, groups, point formats: decimal, joined by `-` and `,`. */
export function ja3Text({ version, cipherSuites, extensions, groups, pointFormats }: TlsClientHello): string {
  return [version, ...[cipherSuites, extensions, groups, pointFormats].map(joined)].join(',')
}

/** 32 hexadecimal digits. */
export function ja3(hello: TlsClientHello): string {
  return hash('md5', ja3Text(hello))
}

/** Version, the chosen cipher suite, extensions. */
export function ja3sText({ version, cipherSuite, extensions }: TlsServerHello): string {
  return `${version},${cipherSuite ?? ''},${joined(extensions)}`
}

export function ja3s(hello: TlsServerHello): string {
  return hash('md5', ja3sText(hello))
}

function joined(numbers: readonly number[] = []): string {
  return withoutGrease(numbers).join('-')
}

function withoutGrease(numbers: readonly number[] = []): number[] {
  return numbers.filter((number) => !isGrease(number))
}

const JA4_VERSIONS: Readonly<Record<number, string>> = {
  2: 's2',
  768: 's3',
  769: '10',
  770: '11',
  771: '12',
  772: '13',
}

/** `t13d1516h2_8daaf6152771_e5627efa2ab1`, of a hello that came over TCP. */
export function ja4(hello: TlsClientHello): string {
  const { cipherSuites, suites, extensions } = ja4Parts(hello)
  return `${cipherSuites}_${digest(suites)}_${digest(extensions)}`
}

/** The same before hashing. */
export function ja4Text(hello: TlsClientHello): string {
  const { cipherSuites, suites, extensions } = ja4Parts(hello)
  return `${cipherSuites}_${suites}_${extensions}`
}

function ja4Parts(hello: TlsClientHello): {
  readonly cipherSuites: string
  readonly suites: string
  readonly extensions: string
} {
  const suites = withoutGrease(hello.cipherSuites)
  const extensions = withoutGrease(hello.extensions)
  const version = JA4_VERSIONS[highestVersion(hello)] ?? '00'
  const names = extensions.includes(TLS_EXTENSION.SERVER_NAME) ? 'd' : 'i'
  const hashed = extensions.filter((type) => type !== TLS_EXTENSION.SERVER_NAME && type !== TLS_EXTENSION.ALPN)
  const algorithms = withoutGrease(hello.signatureAlgorithms).map(fourDigits).join(',')
  const sorted = hashed.map(fourDigits).sort().join(',')
  return {
    cipherSuites: `t${version}${names}${count(suites)}${count(extensions)}${alpnEnds(hello.alpn)}`,
    suites: suites.map(fourDigits).sort().join(','),
    extensions: algorithms === '' ? sorted : `${sorted}_${algorithms}`,
  }
}

function count({ length }: readonly number[]): string {
  return String(Math.min(length, 99)).padStart(2, '0')
}

function fourDigits(number: number): string {
  return number.toString(16).padStart(4, '0')
}

function digest(words: string): string {
  return words === '' ? '000000000000' : hash('sha256', words).slice(0, 12)
}

/** The first and the last character of the first protocol; of one that is not letters and digits at both ends, of its octets in hexadecimal. */
function alpnEnds(alpn: readonly string[] = []): string {
  const [first = ''] = alpn
  if (first === '') return '00'
  const ends = `${first[0]}${first[first.length - 1]}`
  if (/^[0-9A-Za-z]{2}$/.test(ends)) return ends
  const octets = Buffer.from(first, 'latin1').toString('hex')
  return `${octets[0]}${octets[octets.length - 1]}`
}
