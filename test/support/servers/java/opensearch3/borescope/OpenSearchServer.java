package borescope;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.opensearch.Version;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

/**
 * One OpenSearch node with its modules on the class path. The checks for production (no root, limits of the kernel) belong to
 * the bootstrap of the distribution and are not run.
 */
public final class OpenSearchServer extends Node {
  private OpenSearchServer(Environment environment, List<PluginInfo> plugins) {
    super(environment, plugins, true);
  }

  public static void main(String[] words) throws Exception {
    Arguments arguments = new Arguments(words);
    Settings.Builder settings = Settings.builder();
    arguments.settings.forEach(settings::put);
    Path home = Path.of(arguments.settings.get("path.home"));
    List<PluginInfo> plugins = new ArrayList<>();
    for (String name : arguments.plugins) {
      plugins.add(new PluginInfo(name, "", "", Version.CURRENT, "", name, "", List.of(), false));
    }
    new OpenSearchServer(new Environment(settings.build(), home.resolve("config")), plugins).start();
    // The node's threads are daemons.
    Thread.currentThread().join();
  }
}
