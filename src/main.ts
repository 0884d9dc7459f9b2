/** The command line: argv → command, and what an error is worth. */
import { fstatSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { ResumedFile } from './base/resumed-file.ts'
import { LiveError } from './capture/live.ts'
import { CaptureError } from './capture/sources.ts'
import { registerBaseline } from './commands/baseline.ts'
import { registerAttack } from './commands/attack.ts'
import { registerAlert } from './commands/alert.ts'
import { registerConfig } from './commands/config.ts'
import { Context, EXIT, UsageError } from './commands/context.ts'
import { registerDashboards } from './commands/dashboards.ts'
import { registerDissect } from './commands/dissect.ts'
import { registerDoctor } from './commands/doctor.ts'
import { registerExtract } from './commands/extract.ts'
import { registerFields } from './commands/fields.ts'
import { registerIntel } from './commands/intel.ts'
import { registerLists } from './commands/lists.ts'
import { registerQuery } from './commands/query.ts'
import { registerQuarantine } from './commands/quarantine.ts'
import { registerReplay } from './commands/replay.ts'
import { registerRules } from './commands/rules.ts'
import { registerShow } from './commands/show.ts'
import { registerSpool } from './commands/spool.ts'
import { registerStatus } from './commands/status.ts'
import { printable } from './commands/terminal.ts'
import { registerWatch } from './commands/watch.ts'
import { ConfigError } from './config.ts'
import { EvidenceError } from './evidence/problem.ts'
import { DashboardsError } from './dashboards/import.ts'
import { FolderInUseError } from './deliveries.ts'
import { eventsTakeStdout } from './output/ndjson.ts'
import { QueryError } from './store/query-error.ts'
import { StoreError } from './store/search.ts'
import { VERSION } from './version.ts'

/** What a file system refuses: the path or the permissions are the user's to mend. */
const SYSTEM_CODES = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'EEXIST',
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EMFILE',
  'ELOOP',
])

const program = new Command('borescope')
  .description('Looks inside L2TP tunnels: who connected, who logged in, what went through, and what was an attack.')
  .version(VERSION, '-V, --version')
  .option('-c, --config <file>', 'configuration (default: borescope.yaml here, then /etc/borescope/borescope.yaml)')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError("(see 'borescope --help')")
  .exitOverride()
  .addHelpText(
    'after',
    `
Exit codes:
  0  fine
  1  an alert at or above the level of --fail-on
  2  wrong usage, configuration, rule or query
  3  an input could not be read, or not to its end
  4  an error of Borescope itself
  5  events were not delivered: they wait in the spool, or were lost
  130, 143  a replay was stopped by Ctrl-C or a signal; what was read by then is kept

Examples:
  borescope replay capture.pcap            analyse a capture
  borescope watch eth1                     analyse an interface as packets come
  borescope users                          who logged in
  borescope query 'user.name: alice'       every event about alice`,
  )

let loaded: Context | null = null
function context(): Context {
  loaded ??= new Context(program.opts<{ config?: string }>().config)
  return loaded
}

registerReplay(program, context)
registerWatch(program, context)
registerDissect(program, context)
registerQuery(program, context)
registerLists(program, context)
registerShow(program, context)
registerExtract(program, context)
registerRules(program, context)
registerBaseline(program, context)
registerIntel(program, context)
registerAttack(program, context)
registerDashboards(program, context)
registerAlert(program, context)
registerStatus(program, context)
registerSpool(program, context)
registerQuarantine(program, context)
registerConfig(program, context)
registerFields(program)
registerDoctor(program, context)

// Of what a disk takes only a part of, Node.js says nothing.
for (const stream of [process.stdout, process.stderr]) {
  if (!fstatSync(stream.fd).isFile()) continue
  const file = new ResumedFile(stream.fd)
  stream._write = (chunk: Uint8Array, _encoding, written) => {
    try {
      file.write(chunk)
      written()
    } catch (error) {
      written(error as Error)
    }
  }
}
// Whoever reads what is told beside the work may be gone: the work goes on.
process.stderr.on('error', () => {})
// A reader that has had enough, as in `| head`, is no error. Where events go to stdout more than that is at stake: they deal with it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (eventsTakeStdout()) return
  if (error.code !== 'EPIPE') process.stderr.write(`borescope: stdout: ${error.message}\n`)
  process.exit(error.code === 'EPIPE' ? EXIT.FINE : EXIT.USAGE)
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = explain(error)
}

function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.FINE : EXIT.USAGE
  if (error instanceof CaptureError || error instanceof LiveError) {
    process.stderr.write(`borescope: ${printable(error.message)}\n`)
    return error instanceof LiveError && error.code === 'filter' ? EXIT.USAGE : EXIT.INPUT
  }
  const isTheirs =
    error instanceof UsageError ||
    error instanceof ConfigError ||
    error instanceof FolderInUseError ||
    error instanceof QueryError ||
    error instanceof DashboardsError ||
    error instanceof EvidenceError ||
    error instanceof StoreError
  if (isTheirs) {
    process.stderr.write(`borescope: ${error.message}\n`)
    return EXIT.USAGE
  }
  if (isSystemError(error)) {
    process.stderr.write(`borescope: ${printable(error.message)}\n`)
    return EXIT.USAGE
  }
  process.stderr.write(
    `borescope: this is an error of Borescope itself, please report it:\n${error instanceof Error ? error.stack : String(error)}\n`,
  )
  return EXIT.INTERNAL
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && SYSTEM_CODES.has(String(error.code))
}
