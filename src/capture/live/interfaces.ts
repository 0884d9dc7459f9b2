/** What the kernel says of an interface, asked through a socket: so it is that of the socket's network namespace. */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { LiveError } from '../live.ts'
import type { Libc } from './libc.ts'

/** struct ifreq: a name of 16 bytes, then what is asked for. */
const IFREQ_BYTES = 40
const NAME_BYTES = 16
const SIOCGIFFLAGS = 0x8913
const SIOCGIFHWADDR = 0x8927
const SIOCGIFINDEX = 0x8933
const IFF_UP = 0x1
const IFF_LOOPBACK = 0x8
const IFF_RUNNING = 0x40

export const ARPHRD = { ETHERNET: 1, LOOPBACK: 772 } as const

export interface InterfaceFlags {
  readonly isUp: boolean
  /** It is up and has a link. */
  readonly isRunning: boolean
  readonly isLoopback: boolean
}

/** Asks about one interface by its name; every answer is null when there is none of that name. */
export class InterfaceQuery {
  readonly #libc: Libc
  readonly #socket: number
  readonly #request = new Uint8Array(IFREQ_BYTES)
  readonly #view = new DataView(this.#request.buffer)
  readonly #name: Uint8Array

  constructor(libc: Libc, socket: number, name: string) {
    this.#libc = libc
    this.#socket = socket
    this.#name = new TextEncoder().encode(name).subarray(0, NAME_BYTES - 1)
  }

  index(): number | null {
    return this.#ask(SIOCGIFINDEX) ? this.#view.getInt32(NAME_BYTES, isLittleEndian) : null
  }

  flags(): InterfaceFlags | null {
    if (!this.#ask(SIOCGIFFLAGS)) return null
    const flags = this.#view.getUint16(NAME_BYTES, isLittleEndian)
    const isUp = (flags & IFF_UP) !== 0
    return { isUp, isRunning: isUp && (flags & IFF_RUNNING) !== 0, isLoopback: (flags & IFF_LOOPBACK) !== 0 }
  }

  /** ARPHRD_ number of its hardware. */
  hardwareType(): number | null {
    return this.#ask(SIOCGIFHWADDR) ? this.#view.getUint16(NAME_BYTES, isLittleEndian) : null
  }

  #ask(request: number): boolean {
    this.#request.fill(0)
    this.#request.set(this.#name)
    return this.#libc.ioctl(this.#socket, request, this.#request) === 0
  }
}

export const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

export function noInterface(name: string): LiveError {
  const names = interfaceNames().sort()
  const known = names.length === 0 ? '' : `; there are ${names.join(', ')}`
  return new LiveError('no_interface', `there is no interface ${name}${known}`)
}

function interfaceNames(): string[] {
  try {
    const lines = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2)
    return lines.map((line) => line.split(':', 1)[0].trim()).filter((name) => name !== '')
  } catch {
    // Not Linux: only those that have an address are known.
    return Object.keys(networkInterfaces())
  }
}

/** Packets that the interface had no room for, by the count of its driver; 0 where it does not say. */
export function missedByInterface(name: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/statistics/rx_missed_errors`, 'utf8'))
  } catch {
    return 0
  }
}
