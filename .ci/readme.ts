/**
 * Runs every command that the README shows in ```sh blocks, one a line, in order, with a store of its own: a README that does
 * not work is a bug. The test command stands in a ```shell block: it is what comes after this.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'borescope-readme-'))
const commands = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm)]
  .flatMap(([, block]) => block.split('\n'))
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('#'))

let failed = 0
for (const command of commands) {
  const environment = {
    ...process.env,
    PATH: `${join(root, 'bin')}${delimiter}${process.env['PATH']}`,
    BORESCOPE_STORE__PATH: join(scratch, 'events.db'),
    BORESCOPE_DELIVERY__PATH: join(scratch, 'spool'),
  }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: root, env: environment, encoding: 'utf8' })
  const isFine = status === 0
  if (!isFine) failed++
  process.stdout.write(`${isFine ? 'ran    ' : 'FAILED '}  ${command}\n`)
  if (!isFine) process.stdout.write(`${stdout}${stderr}exit code ${status}\n`)
}
if (existsSync(scratch)) rmSync(scratch, { recursive: true })
process.exitCode = failed === 0 && commands.length > 0 ? 0 : 1
