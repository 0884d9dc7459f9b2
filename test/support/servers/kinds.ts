/** The servers that the tests run: from which artifacts, with which classes, on which JDK. */

export interface ServerKind {
  readonly product: 'elasticsearch' | 'opensearch'
  readonly major: number
  /** The oldest JDK that it runs on. */
  readonly jdkMin: number
  /** Maven coordinates, `group:artifact:version`. */
  readonly artifacts: readonly string[]
  /** Of the same form: plugins as they are distributed, in an archive of jars and files, which follow on the class path. */
  readonly archives?: readonly string[]
  /** Folders under java/ with classes of ours. */
  readonly sources: readonly string[]
  readonly mainClass: string
  readonly plugins: readonly string[]
  /** Of the JVM, besides the heap. */
  readonly options: readonly string[]
  /** Native libraries of the system that it loads, by their names without `lib` and suffix. */
  readonly libraries: readonly string[]
}

const ELASTICSEARCH = {
  product: 'elasticsearch',
  jdkMin: 21,
  mainClass: 'org.elasticsearch.node.ElasticsearchServer',
  plugins: ['org.elasticsearch.transport.netty4.Netty4Plugin', 'borescope.MissingModules'],
  // Its own library for vectors is not published either, and no event has one.
  options: ['--enable-native-access=ALL-UNNAMED', '-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false'],
  libraries: ['zstd'],
} as const

function elasticsearchParts(version: string, sources: string): Pick<ServerKind, 'artifacts' | 'sources'> {
  return {
    artifacts: [
      `org.elasticsearch:elasticsearch:${version}`,
      `org.elasticsearch.plugin:transport-netty4:${version}`,
      'org.apache.logging.log4j:log4j-core:2.19.0',
    ],
    sources: ['common', 'elasticsearch', sources],
  }
}

const OPENSEARCH_2 = {
  product: 'opensearch',
  major: 2,
  jdkMin: 11,
  artifacts: [
    'org.opensearch:opensearch:2.19.6',
    'org.opensearch.plugin:transport-netty4-client:2.19.6',
    'org.opensearch.plugin:analysis-common:2.19.6',
    'org.opensearch.plugin:lang-painless:2.19.6',
    'org.opensearch.plugin:mapper-extras-client:2.19.6',
    'org.opensearch.plugin:reindex-client:2.19.6',
    'org.apache.logging.log4j:log4j-core:2.25.4',
  ],
  sources: ['common', 'opensearch2'],
  mainClass: 'borescope.OpenSearchServer',
  plugins: [
    'org.opensearch.transport.Netty4Plugin',
    'org.opensearch.analysis.common.CommonAnalysisPlugin',
    'org.opensearch.painless.PainlessPlugin',
    'org.opensearch.index.mapper.MapperExtrasPlugin',
    'org.opensearch.index.reindex.ReindexPlugin',
  ],
  options: [],
  libraries: [],
} as const satisfies ServerKind

/**
 * The distributions are not to be had from a package registry, their parts are: the core, which is most of the server, and those
 * of its modules that are published one by one. OpenSearch lacks nothing that an event store asks for. Of Elasticsearch only the
 * core and its network layer are published: what the store needs besides is added in java/elasticsearch.
 */
const KINDS = {
  opensearch3: {
    product: 'opensearch',
    major: 3,
    jdkMin: 21,
    artifacts: [
      'org.opensearch:opensearch:3.9.0',
      'org.opensearch.plugin:transport-netty4-client:3.9.0',
      'org.opensearch.plugin:analysis-common:3.9.0',
      'org.opensearch.plugin:lang-painless:3.9.0',
      'org.opensearch.plugin:mapper-extras-client:3.9.0',
      'org.opensearch.plugin:reindex-client:3.9.0',
      'org.apache.logging.log4j:log4j-core:2.25.4',
    ],
    sources: ['common', 'opensearch3'],
    mainClass: 'borescope.OpenSearchServer',
    plugins: [
      'org.opensearch.transport.Netty4ModulePlugin',
      'org.opensearch.analysis.common.CommonAnalysisModulePlugin',
      'org.opensearch.painless.PainlessModulePlugin',
      'org.opensearch.index.mapper.MapperExtrasModulePlugin',
      'org.opensearch.index.reindex.ReindexModulePlugin',
    ],
    options: ['--enable-native-access=ALL-UNNAMED'],
    libraries: [],
  },
  opensearch2: OPENSEARCH_2,
  /** The last one of its security plugins that is published so. */
  opensearch2secured: {
    ...OPENSEARCH_2,
    archives: ['org.opensearch.plugin:opensearch-security:2.19.1.0'],
    plugins: [...OPENSEARCH_2.plugins, 'org.opensearch.security.OpenSearchSecurityPlugin'],
  },
  elasticsearch: { ...ELASTICSEARCH, major: 9, ...elasticsearchParts('9.2.0', 'elasticsearch9') },
  elasticsearch8: { ...ELASTICSEARCH, major: 8, ...elasticsearchParts('8.19.5', 'elasticsearch8') },
} as const satisfies Record<string, ServerKind>

export type KindName = keyof typeof KINDS

export const SERVER_KINDS: Readonly<Record<KindName, ServerKind>> = KINDS
