/** tshark on the digests of L2TPv3: with the right secret it finds none of them incorrect, with another all. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { avp, be32, ethernet, fromHex, ipv4 } from '../support/craft.ts'
import { V3_MESSAGE, v3Signed } from '../support/craft-l2tpv3.ts'
import { pcapFile } from '../support/pcap.ts'
import { askTshark, TSHARK_VERSION } from './tshark.ts'

const SECRET = 'a shared secret'
const NONCE_A = fromHex('000102030405060708090a0b0c0d0e0f')
const NONCE_B = fromHex('f0e0d0c0b0a090807060504030201000ff')

function conversation(hash: 'md5' | 'sha1'): Uint8Array[] {
  const packet = (message: Uint8Array, isBack: boolean): Uint8Array =>
    ethernet(
      ipv4(message, {
        protocol: 115,
        source: isBack ? '192.0.2.2' : '192.0.2.1',
        target: isBack ? '192.0.2.1' : '192.0.2.2',
      }),
    )
  const there = { secret: SECRET, hash, nonces: [NONCE_A, NONCE_B] as const }
  const back = { secret: SECRET, hash, nonces: [NONCE_B, NONCE_A] as const }
  const from = { overIp: true, controlConnectionId: 2 }
  const to = { overIp: true, controlConnectionId: 1 }
  return [
    packet(
      v3Signed(V3_MESSAGE.sccrq, [avp(73, NONCE_A), avp(61, be32(1))], { secret: SECRET, hash }, { overIp: true }),
      false,
    ),
    packet(v3Signed(V3_MESSAGE.sccrp, [avp(73, NONCE_B), avp(61, be32(2))], back, to), true),
    packet(v3Signed(V3_MESSAGE.scccn, [], there, from), false),
    packet(v3Signed(V3_MESSAGE.hello, [], back, to), true),
  ]
}

async function incorrect(hash: 'md5' | 'sha1', secret: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'borescope-digest-'))
  try {
    const path = join(folder, 'digest.pcap')
    writeFileSync(path, pcapFile({ packets: conversation(hash).map((bytes, timeUs) => ({ timeUs, bytes })) }))
    const answers = await askTshark(path, 10, ['-o', `l2tp.shared_secret:${secret}`])
    expect(answers.size).toBe(4)
    return [...answers.values()].filter(({ fields }) => fields.some(({ name }) => name === 'l2tp.incorrect_digest'))
      .length
  } finally {
    rmSync(folder, { recursive: true })
  }
}

for (const hash of ['md5', 'sha1'] as const) {
  it.skipIf(TSHARK_VERSION === '')(`agrees about HMAC-${hash.toUpperCase()}`, { timeout: 60_000 }, async () => {
    expect(await incorrect(hash, SECRET)).toBe(0)
    expect(await incorrect(hash, 'another')).toBe(4)
  })
}
