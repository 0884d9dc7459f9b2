/** Every key of the configuration: its type, its bounds, its default, and what it is for. */
import { z } from 'zod'
import { ALERTS } from './alert-config.ts'
import { BUFFER_BYTES, LIVE_BACKENDS, SNAP_LENGTH } from './capture/live.ts'
import { ALERT_LEVELS, ALERT_SCOPES } from './evidence/alerted.ts'
import { SNAPS } from './evidence/snap.ts'
import { FSYNC_POLICIES } from './output/spool.ts'
import { SECRET, SECRET_OR_EMPTY, type Secret } from './secret-config.ts'
import { LOG_FORMATS, LOG_LEVELS } from './service/log-levels.ts'

const count = (fallback: number, says: string, most = 100_000_000) =>
  z.int().min(1).max(most).default(fallback).describe(says)
const seconds = (fallback: number, says: string) =>
  z.number().positive().max(31_536_000).default(fallback).describe(says)

/** Said of a secret. */
const ELSEWHERE = '; or { file: PATH }, { env: NAME }'

const STORE_KINDS = ['embedded', 'elasticsearch', 'opensearch'] as const

/** The addresses hold no credentials: they are shown in messages. */
function isNodeAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, pathname } = new URL(text)
  return /^https?:$/.test(protocol) && username === '' && password === '' && pathname === '/'
}

/** 16 octets in hexadecimal digits. */
export function isNtHash(text: string): boolean {
  return /^[0-9A-Fa-f]{32}$/.test(text)
}

interface StoreKeys {
  readonly kind: string
  readonly nodes: readonly string[]
  readonly username: string
  readonly password: Secret
  readonly apiKey: Secret
  readonly warmAfterDays: number
  readonly deleteAfterDays: number
}

/** Says what a store of a cluster lacks, and what its kind does not have. */
function refuseHalfStores(store: StoreKeys, { addIssue }: z.RefinementCtx): void {
  const refuse = (key: keyof StoreKeys, message: string) => addIssue({ code: 'custom', path: [key], message })
  const { kind } = store
  if (kind === 'embedded') return
  if (store.nodes.length === 0) refuse('nodes', `a store of the kind ${kind} needs at least one node`)
  const hasPassword = store.password !== ''
  const hasKey = store.apiKey !== ''
  if (hasPassword && store.username === '') refuse('username', 'a password needs its user')
  if (!hasPassword && store.username !== '') refuse('password', 'a user needs a password')
  if (hasKey && hasPassword) refuse('apiKey', 'expected either a user or an API key')
  if (hasKey && kind === 'opensearch') refuse('apiKey', 'OpenSearch has no API keys: name a user')
  const { warmAfterDays, deleteAfterDays } = store
  if (warmAfterDays !== 0 && deleteAfterDays !== 0 && warmAfterDays >= deleteAfterDays)
    refuse('warmAfterDays', 'expected fewer days than deleteAfterDays')
}

/** What a sensor says of itself is for its own host, unless its owner says otherwise. */
function refuseOpenDoors(
  { host, allowRemote }: { readonly host: string; readonly allowRemote: boolean },
  { addIssue }: z.RefinementCtx,
): void {
  if (allowRemote || isLoopback(host)) return
  const message = 'expected a loopback (127.0.0.1, ::1, localhost); allowRemote: true lets other hosts in'
  addIssue({ code: 'custom', path: ['host'], message })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}

export const SCHEMA = z.strictObject({
  sensor: z
    .strictObject({
      name: z.string().min(1).default('borescope').describe('The name of this sensor in every event (observer.name).'),
    })
    .prefault({}),
  capture: z
    .strictObject({
      l2tpPorts: z
        .array(z.int().min(1).max(65_535))
        .min(1)
        .default([1701])
        .describe('UDP ports on which L2TP is expected. Others are learned from set-ups.'),
      duplicateWindowMs: z
        .number()
        .min(0)
        .max(1000)
        .default(5)
        .describe('Copies of a packet within this many milliseconds are SPAN duplicates; 0 turns the check off.'),
      fragmentsMax: count(
        1024,
        'IP datagrams under reassembly at one time, and as many whole ones to compare late fragments with.',
        65_536,
      ),
      fragmentPiecesMax: count(64, 'Pieces of one IP datagram.', 8192),
      fragmentTimeoutSeconds: seconds(30, 'How long fragments wait for the others.'),
      live: z
        .strictObject({
          backend: z
            .enum(LIVE_BACKENDS)
            .default('auto')
            .describe(
              'How `watch` gets packets: `ring` (Linux), `libpcap` or `cap` where they are installed; `auto` is the ring on Linux, else libpcap.',
            ),
          filter: z
            .string()
            .nullable()
            .default(null)
            .describe(
              'Which packets the kernel hands over, in the language of tcpdump; null: the protocols of the family; empty: all.',
            ),
          snapLength: z
            .int()
            .min(SNAP_LENGTH.min)
            .max(SNAP_LENGTH.max)
            .default(65_535)
            .describe('Bytes kept of a packet.'),
          bufferBytes: z
            .int()
            .min(BUFFER_BYTES.min)
            .max(BUFFER_BYTES.max)
            .default(134_217_728)
            .describe('What the kernel may hold for one interface while the sensor is busy.'),
          blockBytes: z
            .literal([65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152, 4_194_304])
            .default(262_144)
            .describe('The ring is handed over in blocks of this size. A packet must fit into one.'),
          blockTimeoutMs: z
            .int()
            .min(1)
            .max(1000)
            .default(10)
            .describe('A block that is not full is handed over after so many milliseconds.'),
          threads: z
            .int()
            .min(1)
            .max(64)
            .default(1)
            .describe(
              'Threads that share the work of `watch`, and rings of each interface: one takes packets, the others follow the flows inside, and what is made of events has a thread beside them.',
            ),
          promiscuous: z.boolean().default(true).describe('Whether frames for other stations are taken too.'),
          outgoing: z.boolean().default(true).describe('Whether packets that this host sends are seen.'),
          timestamps: z
            .enum(['kernel', 'hardware'])
            .default('kernel')
            .describe('Whose time stamps packets have. Those of the hardware must have been turned on (hwstamp_ctl).'),
          user: z
            .string()
            .default('')
            .describe('The user that `watch` becomes once its interfaces are open, if it runs as root.'),
        })
        .prefault({})
        .describe('How interfaces are watched; the keys are those of `capture.live`.'),
    })
    .prefault({}),
  track: z
    .strictObject({
      tunnelsMax: count(100_000, 'L2TP tunnels followed at one time.', 10_000_000),
      sessionsMax: count(1_000_000, 'L2TP sessions followed at one time.', 20_000_000),
      flows: z
        .boolean()
        .default(true)
        .describe(
          'Whether the flows inside tunnels are followed, and what they carry is read. Without them tunnels, sessions, PPP and IPsec are followed all the same, with half of the work.',
        ),
      flowsMax: count(2_000_000, 'Inner flows followed at one time.', 16_000_000),
      neighboursMax: count(65_536, 'Pairs of hosts remembered for protocols beside L2TPv2.', 10_000_000),
      ikeExchangesMax: count(100_000, 'IKE SAs followed at one time, half-open ones included.', 10_000_000),
      ikePosturesMax: count(16_384, 'Hosts, as gateways and as peers, whose IKE posture is remembered.', 10_000_000),
      ikeStreamsMax: count(
        512,
        'Directions of TCP connections with IKE and ESP inside that are followed at one time.',
        65_536,
      ),
      ikeIdleSeconds: seconds(14_400, 'An established IKE SA without any message for this long is taken for gone.'),
      espAssociationsMax: count(100_000, 'IPsec associations (SPIs) followed at one time.', 10_000_000),
      espIdleSeconds: seconds(3600, 'An IPsec association without any packet for this long has ended.'),
      espReplayWindow: z
        .literal([64, 128, 256, 512, 1024, 2048, 4096])
        .default(1024)
        .describe('Sequence numbers remembered below the highest one of an association: what is older is a replay.'),
      espWindowSeconds: z
        .number()
        .min(5)
        .max(3600)
        .default(10)
        .describe('What an encrypted pair of IPsec associations is used for is judged in windows of that length.'),
      espNullPackets: count(2, 'ESP packets that must agree before an association counts as not encrypted.', 1000),
      pptpConnectionsMax: count(16_384, 'PPTP control connections followed at one time.', 1_000_000),
      pptpCallsMax: count(65_536, 'PPTP calls followed at one time.', 1_000_000),
      pppoeSessionsMax: count(131_072, 'PPPoE sessions followed at one time, and hosts that look for one.', 1_000_000),
      setupTimeoutSeconds: seconds(
        35,
        'A set-up without progress for this long is half-open and given up (RFC 2661: a full retransmission cycle).',
      ),
      tunnelIdleSeconds: seconds(600, 'An open tunnel without any packet for this long is taken for dead.'),
      tcpIdleSeconds: seconds(300, 'An inner TCP flow without a packet for this long has ended.'),
      flowIdleSeconds: seconds(60, 'Any other inner flow without a packet for this long has ended.'),
      conversationsMax: count(65_536, 'Inner flows whose application is being read at one time.', 4_000_000),
      streamBytesMax: count(67_108_864, 'Bytes of inner TCP streams held back in all.', 1e12),
      streamWindowBytes: count(65_536, 'Bytes of one direction of one inner TCP stream held back.', 16_777_216),
      applicationEventsPerMinute: count(
        600,
        'Events of one name about what the flows of one session carry told in a minute; the others are counted.',
        10_000_000,
      ),
      applicationEventsPerFlow: count(1000, 'Events about what one inner flow carries.', 10_000_000),
      adoptAfterPackets: count(
        3,
        'Messages to an unknown tunnel after which it counts as one that was open before the capture.',
        1000,
      ),
      requestsPerMinute: count(
        3000,
        'Unanswered tunnel requests to one host, and IKE SAs of one host, told in a minute; the others are counted.',
        10_000_000,
      ),
      anomaliesPerMinute: count(
        10,
        'Findings of one name and source reported in a minute; the others are counted.',
        100_000,
      ),
      anomalySourcesMax: count(16_384, '(finding, source) pairs remembered for that.', 10_000_000),
    })
    .prefault({}),
  secrets: z
    .strictObject({
      l2tp: z
        .array(SECRET)
        .default([])
        .describe(
          `Shared secrets of L2TP tunnels: hidden AVPs are recovered and challenges verified with them${ELSEWHERE}.`,
        ),
      espKeys: z
        .string()
        .default('')
        .describe(
          'A file with the keys of ESP SAs, as "ip xfrm state", Wireshark\'s table of ESP SAs, or YAML. The secret of IKE alone opens nothing: keys come from Diffie-Hellman.',
        ),
      ppp: z
        .array(
          z
            .strictObject({
              user: z.string().min(1),
              password: SECRET_OR_EMPTY.optional(),
              ntHash: SECRET.optional(),
            })
            .refine(({ password, ntHash }) => (password === undefined) !== (ntHash === undefined), {
              message: 'expected either a password or an ntHash',
            })
            .refine(({ ntHash }) => typeof ntHash !== 'string' || isNtHash(ntHash), {
              path: ['ntHash'],
              message: 'expected 32 hexadecimal digits',
            }),
        )
        .default([])
        .describe(
          `Passwords of PPP users, or their NT hashes: logins by MS-CHAP are verified, and what MPPE encrypts is opened${ELSEWHERE}.`,
        ),
    })
    .prefault({}),
  detect: z
    .strictObject({
      rules: z
        .array(z.string().min(1))
        .default([])
        .describe('Further folders of Sigma rules, after the ones that come with Borescope.'),
      builtin: z.boolean().default(true).describe('Whether the rules that come with Borescope are used.'),
      groupsMax: count(100_000, 'Groups that one correlation follows at one time.', 10_000_000),
      entitiesMax: count(100_000, 'Entities whose repeated alerts are being counted instead of raised.', 10_000_000),
      groupsBytesMax: count(
        536_870_912,
        'What the groups of all correlations may take in memory, by an estimate; beyond it the quietest ones of the largest correlation go.',
        1e12,
      ),
      entitiesBytesMax: count(
        268_435_456,
        'What those entities may take in memory, by an estimate; beyond it the ones that were quiet for longest are forgotten.',
        1e12,
      ),
      incidentIdleSeconds: seconds(3600, 'An incident is over when nothing of it has happened for so long.'),
      incidentLastSeconds: seconds(86_400, 'An incident that lasts longer is closed; what goes on is a new one.'),
      incidentsMax: count(
        10_000,
        'Incidents open at one time; when there are more, the one that was quiet for longest is closed.',
        1_000_000,
      ),
      incidentsBytesMax: count(
        134_217_728,
        'What all open incidents may take in memory, by an estimate; beyond it the same.',
        1e11,
      ),
    })
    .prefault({}),
  enrich: z
    .strictObject({
      geo: z
        .array(z.string().min(1))
        .default([])
        .describe(
          'MMDB files with countries, places and autonomous systems (MaxMind, IPinfo, DB-IP), asked in this order.',
        ),
      builtinGeo: z
        .boolean()
        .default(true)
        .describe('Whether the table of countries that comes with Borescope is asked too.'),
      assets: z
        .string()
        .default('')
        .describe(
          'A CSV file with the gateways, peers and users that there ought to be: kind,value,name,hours,gateways.',
        ),
    })
    .prefault({}),
  intel: z
    .strictObject({
      path: z
        .string()
        .min(1)
        .default('.borescope/intel')
        .describe('The folder of the lists that "borescope intel" keeps, relative to the working directory.'),
      entriesMax: count(5_000_000, 'Indicators of all lists together.', 100_000_000),
      retroDays: z
        .number()
        .min(0)
        .max(3650)
        .default(7)
        .describe('How far back events are searched for what comes onto a list. 0: not at all.'),
    })
    .prefault({}),
  baseline: z
    .strictObject({
      path: z
        .string()
        .min(1)
        .default('.borescope/baselines.ndjson')
        .describe('What was learned of users, gateways and tunnels, relative to the working directory.'),
      entitiesMax: count(
        100_000,
        'Users, clients, gateways, tunnels and conversations whose habits are remembered.',
        10_000_000,
      ),
      bytesMax: count(
        536_870_912,
        'What all of that may take in memory, by an estimate; beyond it who was silent for longest is forgotten.',
        1e12,
      ),
      learnDays: z
        .number()
        .min(0)
        .max(365)
        .default(7)
        .describe('Nothing is called unusual for an entity that is known for less than this.'),
      observationsMin: count(20, 'Events of an entity before anything of it is called unusual.', 1_000_000),
      freezeHours: z
        .number()
        .min(0)
        .max(8760)
        .default(24)
        .describe('After an alert of level high or above what it names teaches nothing for so long.'),
    })
    .prefault({}),
  store: z
    .strictObject({
      kind: z
        .enum(STORE_KINDS)
        .default('embedded')
        .describe('Where events are kept: `embedded` (a file), `elasticsearch` (8 or 9) or `opensearch` (2 or 3).'),
      path: z
        .string()
        .min(1)
        .default('.borescope/events.db')
        .describe('The embedded store: a SQLite file, relative to the working directory.'),
      maxBytes: count(10_000_000_000, 'When the file grows beyond this, the oldest events are deleted.', 1e15),
      nodes: z
        .array(
          z.string().refine(isNodeAddress, 'expected an address such as https://es1.example.net:9200, without a user'),
        )
        .default([])
        .describe('Of a cluster: the addresses of its nodes, which are asked in turn.'),
      username: z.string().default('').describe('Of a cluster: the user.'),
      password: SECRET_OR_EMPTY.default('').describe(`The password of that user${ELSEWHERE}.`),
      apiKey: SECRET_OR_EMPTY.default('').describe(
        `Of Elasticsearch: an encoded API key, instead of a user${ELSEWHERE}.`,
      ),
      caFile: z
        .string()
        .default('')
        .describe(
          'The certificate of the authority that signed those of the nodes, in PEM, if the system does not know it.',
        ),
      verifyTls: z.boolean().default(true).describe('Whether the certificates of the nodes are verified.'),
      namespace: z
        .string()
        .regex(/^[a-z0-9_.]{1,100}$/, 'expected lower-case letters, digits, "_" and "."')
        .default('default')
        .describe('The last part of the names of data streams: `logs-borescope.l2tp-default`.'),
      requestTimeoutSeconds: seconds(30, 'How long a cluster may take to answer.'),
      compression: z
        .union([z.boolean(), z.literal('auto')], { error: 'expected true, false or auto' })
        .default('auto')
        .describe('Whether requests to a cluster are compressed; `auto`: unless all of its nodes are on this machine.'),
      shards: count(1, 'Primary shards of each index that is made.', 1024),
      replicas: z
        .int()
        .min(0)
        .max(16)
        .default(1)
        .describe('Copies of each shard on other nodes, as far as there are so many.'),
      rolloverDays: count(30, 'A data stream begins a new index after these days (ILM and ISM).', 36_500),
      rolloverBytes: count(50_000_000_000, 'Or when a primary shard has grown to this (ILM and ISM).', 1e15),
      warmAfterDays: z
        .int()
        .min(0)
        .max(36_500)
        .default(0)
        .describe('Days after which an index moves to warm nodes; 0 is never. Elasticsearch then uses ILM.'),
      deleteAfterDays: z
        .int()
        .min(0)
        .max(36_500)
        .default(90)
        .describe('Days after which an index of a cluster is deleted; 0 is never.'),
    })
    .superRefine(refuseHalfStores)
    .prefault({}),
  delivery: z
    .strictObject({
      path: z
        .string()
        .min(1)
        .default('.borescope/spool')
        .describe(
          'The folder of spools, quarantines and the status, relative to the working directory. One process at a time owns it.',
        ),
      spoolBytesMax: z
        .int()
        .min(0)
        .max(1e15)
        .default(1_000_000_000)
        .describe(
          'What may wait on disk for one destination that is slow or gone; beyond it flows go first, then events, alerts last. 0: nothing is spooled.',
        ),
      segmentBytes: count(8_388_608, 'A file of the spool is closed when it is so large, and deleted as a whole.', 1e9),
      fsync: z
        .enum(FSYNC_POLICIES)
        .default('interval')
        .describe(
          'When the spool is forced onto the disk: always (a power failure loses nothing that was spooled), interval (once a second), never.',
        ),
      quarantineBytesMax: count(67_108_864, 'What may lie in the quarantine of one destination.', 1e12),
      queueBytesMax: count(
        33_554_432,
        'What may wait in memory for one destination before it is spooled. Kill -9 loses no more than this and what is under way.',
        1e11,
      ),
      batchBytes: count(2_097_152, 'A request to a cluster or a sink carries about so much.', 104_857_600),
      batchEvents: count(2048, 'A request carries at most so many events.', 100_000),
      batchSeconds: seconds(1, 'A batch that is not full goes after this.'),
      requestsMax: count(4, 'Requests to one destination under way at one time.', 64),
      requestSeconds: seconds(60, 'A request without an answer is given up after this, and repeated.'),
      backoffSeconds: seconds(
        0.5,
        'The first pause after a failure; it doubles with each further one, half of it is chance.',
      ),
      backoffMaxSeconds: seconds(60, 'The longest pause, unless the destination asks for a longer one (Retry-After).'),
      holdBackSeconds: seconds(
        30,
        'How long a replay waits for a destination that fails, before it goes on into the spool, or ends.',
      ),
      healthSeconds: seconds(60, 'How often the state of every delivery is written into a cluster as an event.'),
    })
    .prefault({}),
  evidence: z
    .strictObject({
      enabled: z
        .boolean()
        .default(false)
        .describe('Whether packets are kept as evidence. `replay --evidence FOLDER` keeps them without this.'),
      path: z
        .string()
        .min(1)
        .default('.borescope/evidence')
        .describe(
          'The folder of the kept packets, relative to the working directory. One process at a time writes there.',
        ),
      maxBytes: count(10_000_000_000, 'When all segments take more than this, the oldest go.', 1e15),
      maxAgeDays: z
        .number()
        .positive()
        .max(36_500)
        .default(30)
        .describe('Segments that were closed longer ago go, by the clock of the machine.'),
      segmentBytes: z
        .int()
        .min(65_536)
        .max(2_000_000_000)
        .default(67_108_864)
        .describe('A segment is closed when it holds so much (before compression).'),
      segmentSeconds: seconds(3600, 'Or when it is so old.'),
      flushSeconds: seconds(
        1,
        'Packets go to the disk after this at the latest: kill -9 loses no more, but for what is held.',
      ),
      compress: z.boolean().default(false).describe('Whether segments are compressed with Zstandard.'),
      encryptionKeyFile: z
        .string()
        .default('')
        .describe(
          'A file with 32 bytes as 64 hexadecimal digits or base64, mode 0600: segments are encrypted with AES-256-GCM. Empty: they are not.',
        ),
      snapData: z
        .enum(SNAPS)
        .default('headers')
        .describe(
          'What is kept of data in tunnels: `whole`, `headers` (through the inner TCP or UDP header) or `none`. Control messages are kept whole.',
        ),
      snapEncrypted: z
        .enum(SNAPS)
        .default('headers')
        .describe('The same of ESP and AH. What keys are to open later must be kept `whole`.'),
      snapOther: z.enum(SNAPS).default('none').describe('The same of packets that belong to none of the protocols.'),
      alertScope: z
        .enum(ALERT_SCOPES)
        .default('tunnel')
        .describe(
          'What is kept whole once it raised an alert: all of the `tunnel`, only the `session`, or `none`. Of an alert without either: the packets of its source address.',
        ),
      alertLevel: z.enum(ALERT_LEVELS).default('medium').describe('Alerts below this level change nothing.'),
      alertedMax: count(10_000, 'Tunnels and sessions of which everything is kept at one time.', 10_000_000),
      beforeSeconds: z
        .number()
        .min(0)
        .max(600)
        .default(10)
        .describe(
          'How long data is held whole in memory for an alert to come. Kill -9 loses what is held; 0: nothing is.',
        ),
      ringBytes: z
        .int()
        .min(1_048_576)
        .max(8_000_000_000)
        .default(67_108_864)
        .describe('The memory for that. When it is full the oldest go sooner.'),
      queueBytes: z
        .int()
        .min(2_097_152)
        .max(2_000_000_000)
        .default(16_777_216)
        .describe('What may wait in memory for the disk; beyond it data is dropped first, then control.'),
      pathsMax: count(262_144, 'Sets of things (tunnel, session, flow …) whose packets are being indexed.', 16_000_000),
    })
    .prefault({}),
  dashboards: z
    .strictObject({
      url: z.string().default('').describe('The address of Kibana or OpenSearch Dashboards: https://host:port.'),
      username: z.string().default('').describe('Who imports dashboards.'),
      password: SECRET_OR_EMPTY.default('').describe(`The password of that user${ELSEWHERE}.`),
      apiKey: SECRET_OR_EMPTY.default('').describe(`An API key of Kibana, instead of a user${ELSEWHERE}.`),
      caFile: z.string().default('').describe('The certificate of the authority that signed its own, in PEM.'),
      space: z
        .string()
        .default('')
        .describe('The space of Kibana that the dashboards go into; empty for the default one.'),
      tenant: z
        .string()
        .default('')
        .describe("The tenant of OpenSearch Dashboards that the dashboards go into; empty for the user's own default."),
    })
    .prefault({}),
  service: z
    .strictObject({
      statePath: z
        .string()
        .default('')
        .describe(
          'The folder in which `watch` keeps what it remembers over a restart, relative to the working directory. Empty: nothing is kept, and what is open ends with it.',
        ),
      stateSeconds: seconds(60, 'How often that is written; soon after an alert in any case.'),
      stateBytesMax: count(268_435_456, 'The most that one file of it may hold; what matters least is left out.', 1e10),
      resumeSeconds: seconds(
        900,
        'After a longer pause open tunnels are not taken up under their ids, for their numbers may be those of others by now.',
      ),
      stopSeconds: seconds(
        20,
        'How long events are delivered after a polite kill, before the rest goes into the spool.',
      ),
      host: z
        .string()
        .min(1)
        .default('127.0.0.1')
        .describe('The address of /metrics, /healthz, /readyz and /status. Anything but a loopback needs allowRemote.'),
      port: z.int().min(0).max(65_535).default(0).describe('Their port; 0 turns them off.'),
      allowRemote: z
        .boolean()
        .default(false)
        .describe('Whether they may be reached from other hosts. There is neither encryption nor a password.'),
      logLevel: z
        .enum(LOG_LEVELS)
        .default('info')
        .describe('What `watch` logs on stderr: messages of this level and above.'),
      logFormat: z
        .enum(LOG_FORMATS)
        .default('auto')
        .describe('`json`: an object a line; `plain`: for people; `auto`: plain on a terminal, else JSON.'),
      logsPerMinute: count(
        10,
        'Of messages that say the same so many are logged in a minute; the others are counted.',
        1e6,
      ),
    })
    .superRefine(refuseOpenDoors)
    .prefault({}),
  alerts: ALERTS,
})

export type Config = z.output<typeof SCHEMA>
