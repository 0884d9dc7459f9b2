package borescope;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.pattern.PatternTokenizer;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.action.datastreams.GetDataStreamAction;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.DataStreamInfo;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.ClusterStateUpdateTask;
import org.elasticsearch.cluster.health.ClusterStateHealth;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.metadata.MetadataDataStreamsService;
import org.elasticsearch.cluster.metadata.MetadataIndexTemplateService;
import org.elasticsearch.cluster.metadata.ProjectMetadata;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.project.ProjectResolver;
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
import org.elasticsearch.index.analysis.AbstractTokenizerFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestRequest.Method;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.ToXContent;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * What an event store asks of Elasticsearch that the distribution has in modules which are published nowhere: `GET /`, the
 * requests about data streams (the streams themselves are in the core), and the tokenizer `pattern`. Thin, over the core's own
 * actions and formats: with them the tests exercise the core, and prove nothing about those modules.
 */
public final class MissingModules extends Plugin implements ActionPlugin, AnalysisPlugin {
  private ClusterService cluster;
  private ProjectResolver projects;

  @Override
  public Collection<?> createComponents(PluginServices services) {
    cluster = services.clusterService();
    projects = services.projectResolver();
    return List.of();
  }

  @Override
  public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
    return Map.of("pattern", (index, environment, name, settings) -> patternTokenizer(name, settings));
  }

  private static TokenizerFactory patternTokenizer(String name, Settings settings) {
    Pattern pattern = Pattern.compile(settings.get("pattern", "\\W+"));
    return new AbstractTokenizerFactory(name) {
      @Override
      public Tokenizer create() {
        return new PatternTokenizer(pattern, -1);
      }
    };
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
        handler("borescope_root", this::root, new RestHandler.Route(Method.GET, "/"), new RestHandler.Route(Method.HEAD, "/")),
        handler(
            "borescope_get_data_stream",
            this::getDataStreams,
            new RestHandler.Route(Method.GET, "/_data_stream"),
            new RestHandler.Route(Method.GET, "/_data_stream/{name}")),
        handler(
            "borescope_delete_data_stream",
            this::deleteDataStreams,
            new RestHandler.Route(Method.DELETE, "/_data_stream/{name}")));
  }

  private void root(RestRequest request, RestChannel channel) throws Exception {
    Build build = Build.current();
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
  }

  private void getDataStreams(RestRequest request, RestChannel channel) throws Exception {
    ClusterState state = cluster.state();
    ProjectMetadata project = projects.getProjectMetadata(state);
    List<DataStreamInfo> infos = new ArrayList<>();
    for (DataStream stream : named(request.param("name", "*"), project)) {
      String[] indices = stream.getIndices().stream().map(index -> index.getName()).toArray(String[]::new);
      infos.add(
          new DataStreamInfo(
              stream,
              false,
              new ClusterStateHealth(state, indices, project.id()).getStatus(),
              MetadataIndexTemplateService.findV2Template(project, stream.getName(), false),
              null,
              null,
              Map.of(),
              true,
              null,
              null));
    }
    XContentBuilder body = channel.newBuilder();
    new GetDataStreamAction.Response(infos).toXContent(body, ToXContent.EMPTY_PARAMS);
    channel.sendResponse(new RestResponse(RestStatus.OK, body));
  }

  private void deleteDataStreams(RestRequest request, RestChannel channel) {
    String names = request.param("name");
    cluster.submitUnbatchedStateUpdateTask("delete-data-stream", new ClusterStateUpdateTask() {
      @Override
      public ClusterState execute(ClusterState state) {
        var project = projects.getProjectState(state);
        Set<DataStream> streams = named(names, project.metadata());
        return MetadataDataStreamsService.deleteDataStreams(project, streams, cluster.getSettings());
      }

      @Override
      public void clusterStateProcessed(ClusterState before, ClusterState after) {
        respond(channel, () -> new RestResponse(RestStatus.OK, channel.newBuilder().startObject().field("acknowledged", true).endObject()));
      }

      @Override
      public void onFailure(Exception failure) {
        respond(channel, () -> new RestResponse(channel, failure));
      }
    });
  }

  /** Names and patterns, separated by commas. A name without an asterisk must be there. */
  private static Set<DataStream> named(String names, ProjectMetadata project) {
    Set<DataStream> streams = new HashSet<>();
    for (String name : Strings.splitStringByCommaToArray(names)) {
      if (!Regex.isSimpleMatchPattern(name) && !project.dataStreams().containsKey(name)) {
        throw new IndexNotFoundException(name);
      }
      project.dataStreams().forEach((key, stream) -> {
        if (Regex.simpleMatch(name, key)) streams.add(stream);
      });
    }
    return streams;
  }

  private interface Action {
    void answer(RestRequest request, RestChannel channel) throws Exception;
  }

  private static RestHandler handler(String name, Action action, RestHandler.Route... routes) {
    return new BaseRestHandler() {
      @Override
      public String getName() {
        return name;
      }

      @Override
      public List<Route> routes() {
        return List.of(routes);
      }

      @Override
      protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        // Read here, before it is checked that every parameter was.
        request.param("name");
        return channel -> action.answer(request, channel);
      }
    };
  }

  private interface Answer {
    RestResponse get() throws Exception;
  }

  private static void respond(RestChannel channel, Answer answer) {
    try {
      channel.sendResponse(answer.get());
    } catch (Exception failure) {
      throw new IllegalStateException(failure);
    }
  }
}
