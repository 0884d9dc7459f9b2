/**
 * Waits for all sockets of the process in one call of poll(2), on one thread: the threads of Node's pool are few, and files
 * and names need them too.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isLittleEndian } from './interfaces.ts'
import type { Libc } from './libc.ts'

/** struct pollfd: descriptor, events, what came. */
const POLLFD_BYTES = 8
const POLLIN = 1

export class Poller {
  readonly #libc: Libc
  readonly #sockets = new Set<number>()
  #waiting: Promise<void> | null = null

  constructor(libc: Libc) {
    this.#libc = libc
  }

  add(socket: number): void {
    this.#sockets.add(socket)
  }

  delete(socket: number): void {
    this.#sockets.delete(socket)
  }

  /** Until any of the sockets has packets, or the time of the first to wait is over. */
  wait(timeoutMs: number): Promise<void> {
    this.#waiting ??= this.#poll(timeoutMs).finally(() => {
      this.#waiting = null
    })
    return this.#waiting
  }

  async #poll(timeoutMs: number): Promise<void> {
    const descriptors = new Uint8Array(this.#sockets.size * POLLFD_BYTES)
    const view = new DataView(descriptors.buffer)
    let at = 0
    for (const socket of this.#sockets) {
      view.setInt32(at, socket, isLittleEndian)
      view.setInt16(at + 4, POLLIN, isLittleEndian)
      at += POLLFD_BYTES
    }
    const ready = await this.#libc.poll(descriptors, this.#sockets.size, timeoutMs)
    // A signal, or a socket that was closed meanwhile: no reason to spin.
    if (ready < 0) await delay(Math.min(timeoutMs, 1))
  }
}
