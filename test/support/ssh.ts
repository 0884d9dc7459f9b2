/** SSH packets before encryption begins. */
import { be8, be32, concat, utf8 } from './craft.ts'

export function sshPacket(payload: Uint8Array): Uint8Array {
  const short = 8 - ((payload.length + 5) % 8)
  const padding = short < 4 ? short + 8 : short
  return concat(be32(payload.length + padding + 1), be8(padding), payload, new Uint8Array(padding))
}

export interface KexLists {
  readonly kex?: string
  readonly hostKey?: string
  readonly encryption?: readonly [toServer: string, toClient: string]
  readonly mac?: readonly [toServer: string, toClient: string]
  readonly compression?: readonly [toServer: string, toClient: string]
}

export function kexInit(lists: KexLists = {}): Uint8Array {
  const { kex = 'curve25519-sha256', hostKey = 'ssh-ed25519' } = lists
  const { encryption = ['aes128-ctr', 'aes128-ctr'], mac = ['hmac-sha2-256', 'hmac-sha2-256'] } = lists
  const { compression = ['none', 'none'] } = lists
  const names = [kex, hostKey, ...encryption, ...mac, ...compression, '', '']
  return concat(
    be8(20),
    new Uint8Array(16).fill(0xcc),
    ...names.map((list) => concat(be32(list.length), utf8(list))),
    be8(0),
    be32(0),
  )
}
