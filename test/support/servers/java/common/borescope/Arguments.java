package borescope;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The arguments of a test server: settings as name=value, and the names of plugin classes. */
public final class Arguments {
  public final Map<String, String> settings = new LinkedHashMap<>();
  public final List<String> plugins = new ArrayList<>();

  public Arguments(String[] arguments) {
    for (String argument : arguments) {
      int at = argument.indexOf('=');
      if (at == -1) plugins.add(argument);
      else settings.put(argument.substring(0, at), argument.substring(at + 1));
    }
  }
}
