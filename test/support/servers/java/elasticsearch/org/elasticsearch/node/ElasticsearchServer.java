package org.elasticsearch.node;

import borescope.Arguments;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.ClassPathPlugins;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;

/**
 * One Elasticsearch node with its modules on the class path. The checks for production (no root, limits of the kernel) belong
 * to the bootstrap of the distribution and are not run. It lives in the package of Node, whose way to bring one's own plugins
 * along is not public.
 */
public final class ElasticsearchServer extends Node {
  private ElasticsearchServer(NodeConstruction construction) {
    super(construction);
  }

  public static void main(String[] words) throws Exception {
    Arguments arguments = new Arguments(words);
    Settings.Builder settings = Settings.builder();
    arguments.settings.forEach(settings::put);
    Environment environment = new Environment(settings.build(), Path.of(arguments.settings.get("path.home"), "config"));
    // Before the first class that logs: the log's interface looks for its implementation once.
    LogConfigurator.configureESLogging();
    LogConfigurator.setNodeName(arguments.settings.get("node.name"));

    PluginsLoader nothingOnDisk = PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false);
    NodeServiceProvider services = new NodeServiceProvider() {
      @Override
      PluginsService newPluginService(Environment environment, PluginsLoader loader) {
        return new ClassPathPlugins(environment, loader, arguments.plugins);
      }
    };
    new ElasticsearchServer(NodeConstruction.prepareConstruction(environment, nothingOnDisk, services, true)).start();
    // The node's threads are daemons.
    Thread.currentThread().join();
  }
}
