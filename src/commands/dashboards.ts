/** `borescope dashboards export|import`: dashboards for Kibana and OpenSearch Dashboards. */
import { type Command, Option } from 'commander'
import { loadConnectionSecrets } from '../config.ts'
import { savedObjectsNdjson } from '../dashboards/dashboards.ts'
import { type DashboardsServer, identify, importObjects, PRODUCT_NAMES } from '../dashboards/import.ts'
import { PRODUCTS, type Product } from '../dashboards/saved-object.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { writeWhole } from './files.ts'
import { counted, paint, print, printable } from './terminal.ts'

interface ImportOptions {
  readonly for?: Product
  readonly space?: string
  readonly tenant?: string
  readonly user?: string
  readonly ca?: string
  readonly json?: boolean
}

export function registerDashboards(program: Command, context: () => Context): void {
  const dashboards = program
    .command('dashboards')
    .summary('dashboards for Kibana and OpenSearch Dashboards: export, import')
    .description(
      'Dashboards over the events in a cluster: overview, tunnels, identities, IPsec, alerts with ATT&CK, sensor health.',
    )

  dashboards
    .command('export')
    .description('Writes the data view, searches, charts and dashboards as NDJSON, for an import by hand.')
    .addOption(new Option('--for <product>', 'who shall import them').choices(PRODUCTS).default('kibana'))
    .option('-o, --out <file>', 'where to; - is stdout', '-')
    .action(async (options: { for: Product; out: string }) => {
      const ndjson = savedObjectsNdjson(options.for)
      await writeWhole(options.out, ndjson)
      if (options.out !== '-') {
        const objects = ndjson.split('\n').length - 1
        process.stderr.write(`${counted(objects, 'object')} for ${PRODUCT_NAMES[options.for]} in ${options.out}\n`)
      }
    })

  dashboards
    .command('import')
    .description(
      'Puts them into a running Kibana or OpenSearch Dashboards, over those of an earlier import. Exits with 2 if one was refused.',
    )
    .argument('[url]', 'its address, as https://kibana.example:5601 (default: dashboards.url)')
    .addOption(new Option('--for <product>', 'which product it is (default: asked of it)').choices(PRODUCTS))
    .option('--space <name>', 'the space of Kibana (default: dashboards.space)')
    .option('--tenant <name>', 'the tenant of OpenSearch Dashboards (default: dashboards.tenant)')
    .option('--user <name>', 'who imports (default: dashboards.username); the password is dashboards.password')
    .option('--ca <file>', 'certificate of its authority, PEM (default: dashboards.caFile)')
    .option('--json', 'the result as JSON')
    .action(async (url: string | undefined, options: ImportOptions) => {
      const server = serverOf(context(), url, options)
      const product = options.for ?? (await identify(server))
      const { imported, refused } = await importObjects(server, product, savedObjectsNdjson(product))
      if (options.json) await print(JSON.stringify({ product, imported, refused }, null, 2))
      else {
        const lines = refused.map(
          ({ type, id, title, reason }) =>
            `${paint('red', 'refused')}  ${printable(`${type} ${id} "${title}": ${reason}`)}`,
        )
        await print([...lines, `${counted(imported, 'object')} imported into ${PRODUCT_NAMES[product]}`].join('\n'))
      }
      if (refused.length > 0) process.exitCode = EXIT.USAGE
    })
}

function serverOf({ config }: Context, url: string | undefined, options: ImportOptions): DashboardsServer {
  const settings = { ...config.dashboards, ...(options.ca === undefined ? {} : { caFile: options.ca }) }
  const address = url ?? settings.url
  if (address === '')
    throw new UsageError(
      'name the address of Kibana or OpenSearch Dashboards, or set dashboards.url in the configuration',
    )
  if (!URL.canParse(address)) throw new UsageError(`"${address}" is no address: expected https://host:port`)
  const parsed = new URL(address)
  if (parsed.username !== '' || parsed.password !== '')
    throw new UsageError(
      'a password in an address is seen by every user of the machine: set dashboards.password instead',
    )
  const { password, apiKey, ca, warnings } = loadConnectionSecrets(
    { ...config, dashboards: settings },
    'dashboards',
    process.env,
  )
  for (const warning of warnings) process.stderr.write(`borescope: ${warning}\n`)
  return {
    url: parsed,
    username: options.user ?? settings.username,
    password,
    apiKey,
    ca,
    space: options.space ?? settings.space,
    tenant: options.tenant ?? settings.tenant,
  }
}
