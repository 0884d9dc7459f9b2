/** Giving up what opening an interface took, so that whatever a packet makes of the sensor can do little. */
import { readFileSync } from 'node:fs'
import { LiveError } from '../live.ts'
import { type Koffi, loadKoffi } from './libc.ts'

/** linux/capability.h: the third version, two words of each set. */
const CAPABILITY_VERSION_3 = 0x20080522
const CAPABILITY_SETS_BYTES = 24
const PR_SET_NO_NEW_PRIVS = 38

/**
 * Becomes another user, with its groups and without any privilege: for the whole process. Without a user, a process that is
 * not root loses its capabilities: in the thread that asks, where packets are decoded, and in all that it starts later. In
 * both cases nothing that it might execute gains any.
 *
 * @throws {LiveError} if there is no such user, or this one may not become it
 */
export async function dropPrivileges(user: string): Promise<void> {
  if (user !== '') await become(user)
  if (process.platform !== 'linux' || process.getuid?.() === 0) return
  const libc = (await loadKoffi()).load(null)
  libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')(
    PR_SET_NO_NEW_PRIVS,
    1,
    0,
    0,
    0,
  )
  if (!hasCapabilities()) return
  const header = new Uint8Array(Uint32Array.of(CAPABILITY_VERSION_3, 0).buffer)
  const failed = libc.func('int capset(void *, void *)')(header, new Uint8Array(CAPABILITY_SETS_BYTES)) !== 0
  if (failed || hasCapabilities()) throw new LiveError('failed', 'the capabilities of this process cannot be given up')
}

function hasCapabilities(): boolean {
  return !/^CapPrm:\s*0+$/m.test(readFileSync('/proc/thread-self/status', 'utf8'))
}

async function become(user: string): Promise<void> {
  if (process.getuid === undefined || process.setuid === undefined) {
    throw new LiveError('unsupported', `no process can become ${user} on this system`)
  }
  const koffi = await loadKoffi()
  const { uid, gid } = idsOf(koffi, user)
  if (uid === 0) throw new LiveError('failed', `${user} is root: name a user without privileges`)
  if (process.getuid() === uid) return
  if (process.getuid() !== 0) {
    throw new LiveError('not_permitted', `only root can become ${user}: run as root, or as ${user} with CAP_NET_RAW`)
  }
  koffi.load(null).func('int initgroups(const char *, uint32_t)')(user, gid)
  process.setgid?.(gid)
  process.setuid(uid)
}

/** Asks the system, which may know more users than /etc/passwd. */
function idsOf(koffi: Koffi, user: string): { readonly uid: number; readonly gid: number } {
  const passwd = koffi.struct({ name: 'void *', password: 'void *', uid: 'uint32_t', gid: 'uint32_t' })
  const found: bigint | null = koffi.load(null).func('void *getpwnam(const char *)')(user)
  if (found === null) throw new LiveError('failed', `there is no user ${user}`)
  // What follows differs between systems; these four do not.
  return koffi.decode(found, passwd)
}
