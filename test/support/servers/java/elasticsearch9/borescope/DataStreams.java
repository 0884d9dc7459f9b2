package borescope;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.support.master.AcknowledgedResponse;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.health.ClusterHealthStatus;
import org.elasticsearch.cluster.health.ClusterStateHealth;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.DataStreamLifecycle;
import org.elasticsearch.cluster.metadata.MetadataDataStreamsService;
import org.elasticsearch.cluster.metadata.MetadataIndexTemplateService;
import org.elasticsearch.cluster.metadata.ProjectMetadata;
import org.elasticsearch.cluster.project.ProjectResolver;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.index.Index;
import org.elasticsearch.index.IndexSettingProviders;
import org.elasticsearch.plugins.Plugin.PluginServices;

/** The data streams of Elasticsearch 9, which has them in projects. */
final class DataStreams {
  private static final TimeValue PATIENCE = TimeValue.timeValueSeconds(30);

  private final ClusterService cluster;
  private final ProjectResolver projects;
  private final MetadataDataStreamsService service;

  DataStreams(PluginServices services) {
    cluster = services.clusterService();
    projects = services.projectResolver();
    service =
        new MetadataDataStreamsService(
            cluster,
            services.indicesService(),
            services.dataStreamGlobalRetentionSettings(),
            new IndexSettingProviders(Set.of()));
  }

  Map<String, DataStream> all() {
    return project().dataStreams();
  }

  ClusterHealthStatus healthOf(DataStream stream) {
    String[] indices = stream.getIndices().stream().map(Index::getName).toArray(String[]::new);
    return new ClusterStateHealth(cluster.state(), indices, project().id()).getStatus();
  }

  String templateOf(DataStream stream) {
    return MetadataIndexTemplateService.findV2Template(project(), stream.getName(), false);
  }

  ClusterState without(ClusterState state, Function<Map<String, DataStream>, Set<DataStream>> choice) {
    var project = projects.getProjectState(state);
    Set<DataStream> chosen = choice.apply(project.metadata().dataStreams());
    return MetadataDataStreamsService.deleteDataStreams(project, chosen, cluster.getSettings());
  }

  void setLifecycle(List<String> names, DataStreamLifecycle lifecycle, ActionListener<AcknowledgedResponse> answer) {
    service.setLifecycle(project().id(), names, lifecycle, PATIENCE, PATIENCE, answer);
  }

  private ProjectMetadata project() {
    return projects.getProjectMetadata(cluster.state());
  }
}
