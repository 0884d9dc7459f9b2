import { basename } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import { askInner, type InnerPacket, innerValues } from './fields-inner.ts'
import { TSHARK_VERSION } from './tshark.ts'
import { capturesIn, describeCapture, MISSING, PACKETS_MAX, warnIfMissing } from './compare.ts'

/** Where tshark's reading is one opinion among several: what was made to be wrong. */
const FUZZED = /-mut\d*\b|-fuzz\b|\/(?:malformed|robustness)\/|Malformed/

interface Disagreement {
  readonly capture: string
  readonly number: number
  readonly field: string
  readonly ours: readonly string[]
  readonly theirs: readonly string[]
  readonly layers: readonly Layer[]
  readonly oracle: InnerPacket
}

interface Argument {
  readonly fields: RegExp
  readonly reason: string
  readonly holds: (disagreement: Disagreement) => boolean
}

const ARGUED: readonly Argument[] = [
  {
    fields: /^(dns|http|tls)\./,
    reason: 'what an ICMP error quotes is cut where a router pleased: Borescope names no application in it',
    holds: ({ ours, layers }) => ours.length === 0 && layers.some(({ quoted }) => quoted === true),
  },
  {
    fields: /./,
    reason: 'inside a carrier that Borescope does not read',
    holds: ({ oracle }) =>
      /^(?:nflog|pktap)\b|:(?:vxlan|geneve|gtp|erspan|nsh|vntag|wlan|openvpn)\b|:udp:ip:/.test(oracle.protocols),
  },
  {
    fields: /^dns\.resp\.type$/,
    reason: 'tshark lists the types in the bitmap of an NSEC record under the name of the type of records',
    holds: ({ ours, theirs }) => /\b4[67]\b|\b50\b/.test(ours.join()) && ours.every((type) => theirs.includes(type)),
  },
  {
    fields: /^tls\./,
    reason: 'a hello in clear, which tshark takes for encrypted by what it remembers of the connection',
    holds: ({ layers, theirs }) => theirs.length === 0 && helloTypes(layers).length > 0,
  },
  {
    fields: /^tls\./,
    reason: 'SSL 2.0, which has other records',
    holds: ({ ours, oracle }) => ours.length === 0 && (oracle.values.get('tls.record.version') ?? []).includes('2'),
  },
  {
    fields: /^tls\./,
    reason: 'QUIC, which Borescope names only',
    holds: ({ ours, oracle }) => ours.length === 0 && /:quic\b/.test(oracle.protocols),
  },
  {
    fields: /^dns\./,
    reason: 'a message over TCP that goes on in the next segment',
    holds: ({ ours, oracle }) => ours.length === 0 && /:tcp:dns\b/.test(oracle.protocols),
  },
  {
    fields: /^ssh\.message_code$/,
    reason: 'the rest of a packet that began in an earlier segment, or one that is not padded as RFC 4253 wants it',
    holds: ({ ours }) => ours.length === 0,
  },
  {
    fields: /^ssh\./,
    reason: 'name-lists that lead out of their packet',
    holds: ({ layers }) => layers.some(({ layer, flaw }) => layer === 'ssh' && flaw === 'ssh.kexinit'),
  },
  {
    fields: /^dns\./,
    reason: 'on the port of L2TP, as scanners probe it: Borescope says what is wrong with it',
    holds: ({ layers }) => layers.some(({ layer, flaw }) => layer === 'l2tp' && flaw !== undefined),
  },
  {
    fields: /^http\.request\.uri$/,
    reason: 'IP fragments that overlap with other content, of which Borescope keeps the first and tshark the last',
    holds: ({ layers }) => layers.some(({ findings = [] }) => findings.includes('ip.fragment_overlap')),
  },
  {
    fields: /^http\.request\.version$/,
    reason: 'HTTP/0.9 states no version',
    holds: ({ ours }) => ours.join() === 'HTTP/0.9',
  },
  {
    fields: /^http\./,
    reason: 'header fields in a segment after the one with the first line',
    holds: ({ ours, oracle }) =>
      ours.length === 0 && !oracle.values.has('http.request.method') && !oracle.values.has('http.response.code'),
  },
]

function helloTypes(layers: readonly Layer[]): readonly unknown[] {
  return layers.flatMap((layer) => {
    const messages = (layer['messages'] ?? []) as readonly { clientHello?: unknown; serverHello?: unknown }[]
    return messages.filter(({ clientHello, serverHello }) => clientHello !== undefined || serverHello !== undefined)
  })
}

class Comparison {
  readonly agreed = new Map<string, number>()
  readonly open: Disagreement[] = []
  readonly needed = new Map<Argument, number>()
  packets = 0
  malformed = 0

  async capture(path: string): Promise<void> {
    const oracle = await askInner(path, PACKETS_MAX)
    if (oracle.size === 0) return
    await describeCapture(path, ({ number, layers }) => {
      const theirs = oracle.get(number)
      if (theirs !== undefined) this.#packet(basename(path), layers, theirs)
    })
  }

  #packet(capture: string, layers: readonly Layer[], oracle: InnerPacket): void {
    this.packets++
    if (oracle.isMalformed) {
      this.malformed++
      return
    }
    const values = innerValues(layers)
    for (const field of new Set([...values.keys(), ...oracle.values.keys()])) {
      const ours = values.get(field) ?? []
      const theirs = oracle.values.get(field) ?? []
      if (ours.length === theirs.length && ours.every((value, i) => value === theirs[i]))
        this.agreed.set(field, (this.agreed.get(field) ?? 0) + ours.length)
      else this.#judge({ capture, number: oracle.number, field, ours, theirs, layers, oracle })
    }
  }

  #judge(disagreement: Disagreement): void {
    const argument = ARGUED.find(({ fields, holds }) => fields.test(disagreement.field) && holds(disagreement))
    if (argument === undefined) this.open.push(disagreement)
    else this.needed.set(argument, (this.needed.get(argument) ?? 0) + 1)
  }

  table(): string {
    const rows = [...this.agreed].sort(([a], [b]) => (a < b ? -1 : 1))
    return [
      `${TSHARK_VERSION}; ${this.packets} packets of application protocols, ${this.malformed} of them malformed to tshark`,
      ...rows.map(([field, agreed]) => `${field.padEnd(50)}${String(agreed).padStart(8)}`),
      ...[...this.needed].map(([{ reason }, times]) => `argued ${times} times: ${reason}`),
    ].join('\n')
  }

  failures(): string[] {
    const shown = new Map<string, number>()
    return this.open
      .filter(({ field }) => {
        shown.set(field, (shown.get(field) ?? 0) + 1)
        return (shown.get(field) ?? 0) <= 3
      })
      .map(
        ({ capture, number, field, ours, theirs }) =>
          `${capture} #${number} ${field}: ours [${ours.join(', ')}], tshark [${theirs.join(', ')}]`,
      )
  }
}

warnIfMissing('The comparison of inner protocols')

describe.skipIf(MISSING !== null)('application protocols', () => {
  it('read as tshark reads them, or are argued with', { timeout: 900_000 }, async () => {
    const queue = (await capturesIn(['.'])).filter((path) => !FUZZED.test(path))
    expect(queue.length).toBeGreaterThan(0)
    const comparison = new Comparison()
    const worker = async (): Promise<void> => {
      for (let path = queue.pop(); path !== undefined; path = queue.pop()) await comparison.capture(path)
    }
    await Promise.all([worker(), worker()])
    process.stdout.write(`${comparison.table()}\n`)
    expect(comparison.packets).toBeGreaterThan(0)
    expect(comparison.failures().join('\n')).toBe('')
    expect(ARGUED.filter((argument) => !comparison.needed.has(argument)).map(({ reason }) => reason)).toEqual([])
  })
})
