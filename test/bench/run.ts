/** A case of the benchmark as a process of its own, started as `bin/borescope` starts the sensor. */
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What the benchmark makes once and keeps. */
export const CACHE = join(tmpdir(), 'borescope-bench')

export const FLAGS = setting('flags').split(' ')
const TUNABLES = setting('tunables')
/** As the sensor's, and not the user's: the first round fills it, as the first start of the sensor does. */
const COMPILE_CACHE = join(CACHE, 'compiled')

/** What the script that starts the sensor means by that name. */
function setting(name: 'flags' | 'tunables'): string {
  const script = join(import.meta.dirname, '../../bin/node-settings.sh')
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `. "$1"; echo "$${name}"`, 'sh', script], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${script} failed: ${stderr}`)
  return stdout.trim()
}

/** Runs a script of this folder, and gives the JSON that it prints. */
export function runCase<T>(script: string, parameters: readonly string[]): T {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...FLAGS, join(import.meta.dirname, script), ...parameters],
    {
      encoding: 'utf8',
      env: { ...process.env, GLIBC_TUNABLES: TUNABLES, NODE_COMPILE_CACHE: COMPILE_CACHE },
      maxBuffer: 1 << 26,
    },
  )
  if (status !== 0) throw new Error(`${parameters[0]} failed: ${stderr}`)
  return JSON.parse(stdout) as T
}
