/** The notices against a socket such as that of the service manager: a datagram socket, in the file system and abstract. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openNotifySocket } from '../src/notify-socket.ts'
import { loadKoffi } from '../src/capture/live/libc.ts'

const folder = mkdtempSync(join(tmpdir(), 'borescope-notify-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Binds as systemd does; gives what came. */
async function listen(path: string) {
  const koffi = await loadKoffi()
  const libc = koffi.load(null)
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)
  const address = Buffer.concat([Buffer.from([1, 0]), name])
  const socket = libc.func('int socket(int, int, int)')(1, 2, 0)
  if (libc.func('int bind(int, void *, uint32_t)')(socket, address, address.length) !== 0) throw new Error('no binding')
  const receive = libc.func('int64_t recv(int, void *, size_t, int)')
  const MSG_DONTWAIT = 0x40
  return {
    next() {
      const datagram = Buffer.alloc(4096)
      const length = Number(receive(socket, datagram, datagram.length, MSG_DONTWAIT))
      return length < 0 ? null : datagram.toString('utf8', 0, length)
    },
    close: () => libc.func('int close(int)')(socket),
  }
}

test.each([join(folder, 'notify'), `@borescope-test-${process.pid}`])(
  '%s: each notice is one datagram',
  async (path) => {
    const manager = await listen(path)
    const send = await openNotifySocket(path)
    send('READY=1\nSTATUS=well')
    send('WATCHDOG=1')
    expect([manager.next(), manager.next(), manager.next()]).toEqual(['READY=1\nSTATUS=well', 'WATCHDOG=1', null])
    manager.close()
    expect(() => send('STOPPING=1')).toThrow('ECONNREFUSED')
  },
)

test('where nobody listens, or nothing could, that is said', async () => {
  await expect(openNotifySocket(join(folder, 'nobody'))).rejects.toThrow(`nobody listens at ${join(folder, 'nobody')}`)
  for (const path of ['relative', '/', `/${'x'.repeat(200)}`]) {
    await expect(openNotifySocket(path)).rejects.toThrow('is no address of a socket')
  }
})
