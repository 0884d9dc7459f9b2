package org.elasticsearch.plugins;

import java.util.ArrayList;
import java.util.List;
import org.elasticsearch.env.Environment;

/** Plugins named by their classes, which are on the class path, instead of bundles on disk. */
public final class ClassPathPlugins extends PluginsService {
  private final List<LoadedPlugin> loaded = new ArrayList<>();

  public ClassPathPlugins(Environment environment, PluginsLoader loader, List<String> names) {
    super(environment.settings(), environment.configDir(), loader);
    for (String name : names) {
      Class<? extends Plugin> type = classOf(name);
      Plugin plugin = loadPlugin(type, environment.settings(), environment.configDir());
      PluginDescriptor descriptor =
          new PluginDescriptor(name, "", "", "", "", name, null, List.of(), false, false, false, false);
      loaded.add(new LoadedPlugin(descriptor, plugin, type.getClassLoader()));
    }
  }

  @Override
  protected List<LoadedPlugin> plugins() {
    return loaded;
  }

  private static Class<? extends Plugin> classOf(String name) {
    try {
      return Class.forName(name).asSubclass(Plugin.class);
    } catch (ClassNotFoundException absent) {
      throw new IllegalArgumentException(absent);
    }
  }
}
