package borescope;

import java.io.IOException;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.pattern.PatternTokenizer;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.DataStreamInfo;
import org.elasticsearch.action.datastreams.GetDataStreamAction;
import org.elasticsearch.action.support.master.AcknowledgedResponse;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.ClusterStateUpdateTask;
import org.elasticsearch.cluster.health.ClusterHealthStatus;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.DataStreamLifecycle;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.regex.Regex;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.IndexNotFoundException;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler.Route;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest.Method;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xcontent.ToXContent;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentParser;

/**
 * What an event store asks of Elasticsearch that the distribution has in modules which are published nowhere: `GET /`, the
 * requests about data streams (the streams themselves are in the core), and the tokenizer `pattern`. Thin, over the
 * core's own actions and formats: with them the tests exercise the core, and prove nothing about those modules.
 */
public final class MissingModules extends Plugin implements ActionPlugin, AnalysisPlugin {
  private static final String STREAMS = "/_data_stream/{name}";

  private ClusterService cluster;
  private DataStreams streams;

  @Override
  public Collection<?> createComponents(PluginServices services) {
    cluster = services.clusterService();
    streams = new DataStreams(services);
    return List.of();
  }

  @Override
  public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
    return Map.of("pattern", (index, environment, name, settings) -> patternTokenizer(name, settings));
  }

  private static TokenizerFactory patternTokenizer(String name, Settings settings) {
    Pattern pattern = Pattern.compile(settings.get("pattern", "\\W+"));
    return TokenizerFactory.newFactory(name, () -> new PatternTokenizer(pattern, -1));
  }

  @Override
  public Collection<RestHandler> getRestHandlers(
      Settings settings,
      NamedWriteableRegistry writeables,
      RestController controller,
      ClusterSettings clusterSettings,
      IndexScopedSettings indexSettings,
      SettingsFilter filter,
      IndexNameExpressionResolver resolver,
      Supplier<DiscoveryNodes> nodes,
      Predicate<NodeFeature> hasFeature) {
    return List.of(
        handler("root", this::root, new Route(Method.GET, "/"), new Route(Method.HEAD, "/")),
        handler("get_streams", this::getStreams, new Route(Method.GET, "/_data_stream"), new Route(Method.GET, STREAMS)),
        handler("delete_streams", this::deleteStreams, new Route(Method.DELETE, STREAMS)),
        handler("get_lifecycles", this::getLifecycles, new Route(Method.GET, STREAMS + "/_lifecycle")),
        handler("put_lifecycle", this::putLifecycle, new Route(Method.PUT, STREAMS + "/_lifecycle")));
  }

  private Answer root(RestRequest request) {
    Build build = Build.current();
    return channel -> {
      XContentBuilder body = channel.newBuilder().startObject();
      body.field("name", cluster.getNodeName());
      body.field("cluster_name", cluster.getClusterName().value());
      body.field("cluster_uuid", cluster.state().metadata().clusterUUID());
      body.startObject("version");
      body.field("number", build.qualifiedVersion());
      body.field("build_flavor", build.flavor());
      body.field("build_type", build.type().displayName());
      body.field("build_hash", build.hash());
      body.field("build_date", build.date());
      body.field("build_snapshot", build.isSnapshot());
      body.field("lucene_version", Version.LATEST.toString());
      body.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
      body.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
      body.endObject();
      body.field("tagline", "You Know, for Search");
      channel.sendResponse(new RestResponse(RestStatus.OK, body.endObject()));
    };
  }

  private Answer getStreams(RestRequest request) {
    String names = request.param("name", "*");
    return channel -> {
      List<DataStreamInfo> infos = named(names, streams.all()).stream().map(this::describe).toList();
      XContentBuilder body = channel.newBuilder();
      new GetDataStreamAction.Response(infos).toXContent(body, ToXContent.EMPTY_PARAMS);
      channel.sendResponse(new RestResponse(RestStatus.OK, body));
    };
  }

  private DataStreamInfo describe(DataStream stream) {
    ClusterHealthStatus health = streams.healthOf(stream);
    return new DataStreamInfo(stream, false, health, streams.templateOf(stream), null, null, Map.of(), true, null, null);
  }

  private Answer deleteStreams(RestRequest request) {
    String names = request.param("name");
    return channel -> {
      ActionListener<AcknowledgedResponse> answer = new RestToXContentListener<>(channel);
      cluster.submitUnbatchedStateUpdateTask("delete-data-stream", new ClusterStateUpdateTask() {
        @Override
        public ClusterState execute(ClusterState state) {
          return streams.without(state, present -> named(names, present));
        }

        @Override
        public void clusterStateProcessed(ClusterState before, ClusterState after) {
          answer.onResponse(AcknowledgedResponse.TRUE);
        }

        @Override
        public void onFailure(Exception failure) {
          answer.onFailure(failure);
        }
      });
    };
  }

  private Answer getLifecycles(RestRequest request) {
    String names = request.param("name");
    return channel -> {
      XContentBuilder body = channel.newBuilder().startObject().startArray("data_streams");
      for (DataStream stream : named(names, streams.all())) {
        body.startObject().field("name", stream.getName());
        if (stream.getDataLifecycle() != null) body.field("lifecycle", stream.getDataLifecycle());
        body.endObject();
      }
      channel.sendResponse(new RestResponse(RestStatus.OK, body.endArray().endObject()));
    };
  }

  private Answer putLifecycle(RestRequest request) throws IOException {
    String names = request.param("name");
    DataStreamLifecycle lifecycle;
    try (XContentParser parser = request.contentParser()) {
      lifecycle = DataStreamLifecycle.dataLifecycleFromXContent(parser);
    }
    return channel -> {
      List<String> found = named(names, streams.all()).stream().map(DataStream::getName).toList();
      streams.setLifecycle(found, lifecycle, new RestToXContentListener<>(channel));
    };
  }

  /** Those of these names and patterns, separated by commas. A name without an asterisk must be there. */
  private static Set<DataStream> named(String names, Map<String, DataStream> present) {
    Set<DataStream> found = new HashSet<>();
    for (String name : Strings.splitStringByCommaToArray(names)) {
      if (!Regex.isSimpleMatchPattern(name) && !present.containsKey(name)) throw new IndexNotFoundException(name);
      present.forEach((key, stream) -> {
        if (Regex.simpleMatch(name, key)) found.add(stream);
      });
    }
    return found;
  }

  private interface Answer {
    void to(RestChannel channel) throws Exception;
  }

  private interface Action {
    /** Reads the parameters and the body; what it gives answers. */
    Answer prepare(RestRequest request) throws IOException;
  }

  private static RestHandler handler(String name, Action action, Route... routes) {
    return new BaseRestHandler() {
      @Override
      public String getName() {
        return "borescope_" + name;
      }

      @Override
      public List<Route> routes() {
        return List.of(routes);
      }

      @Override
      protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws IOException {
        return action.prepare(request)::to;
      }
    };
  }
}
