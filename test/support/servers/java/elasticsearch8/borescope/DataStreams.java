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
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.index.Index;
import org.elasticsearch.plugins.Plugin.PluginServices;

/** The data streams of Elasticsearch 8, which knows no projects. */
final class DataStreams {
  private static final TimeValue PATIENCE = TimeValue.timeValueSeconds(30);

  private final ClusterService cluster;
  private final MetadataDataStreamsService service;

  DataStreams(PluginServices services) {
    cluster = services.clusterService();
    service =
        new MetadataDataStreamsService(
            cluster, services.indicesService(), services.dataStreamGlobalRetentionSettings());
  }

  Map<String, DataStream> all() {
    return cluster.state().metadata().dataStreams();
  }

  ClusterHealthStatus healthOf(DataStream stream) {
    String[] indices = stream.getIndices().stream().map(Index::getName).toArray(String[]::new);
    return new ClusterStateHealth(cluster.state(), indices).getStatus();
  }

  String templateOf(DataStream stream) {
    return MetadataIndexTemplateService.findV2Template(cluster.state().metadata(), stream.getName(), false);
  }

  ClusterState without(ClusterState state, Function<Map<String, DataStream>, Set<DataStream>> choice) {
    Set<DataStream> chosen = choice.apply(state.metadata().dataStreams());
    return MetadataDataStreamsService.deleteDataStreams(state, chosen, cluster.getSettings());
  }

  void setLifecycle(List<String> names, DataStreamLifecycle lifecycle, ActionListener<AcknowledgedResponse> answer) {
    service.setLifecycle(names, lifecycle, PATIENCE, PATIENCE, answer);
  }
}
