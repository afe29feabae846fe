# shellcheck shell=bash
# Finds a JMeter, or fetches one from Maven Central. To be sourced, after scripts/lib.sh; whoever does removes $staging
# and ends $maven, if they are set, when it ends.

version=5.6.3
plugin=3.6.1 # maven-dependency-plugin
hint="apt-get install default-jre-headless maven"
staging='' maven=''

# The version that a JMeter says it is, empty if it says none.
version_of() { timeout 60 "$@" --version 2>/dev/null </dev/null | sed -n 's/.*[ \\_]\([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p' | head -1 || true; }

# Sets $jmeter, the command. Java keeps its preferences in $scratch, and nothing in the home directory.
find_jmeter() {
  local heap arguments found
  export HEAP=${HEAP:--Xms64m -Xmx256m}
  read -ra heap <<<"$HEAP"
  read -ra arguments <<<"${JVM_ARGS:-}"
  need java "$hint"
  local java=(java "${heap[@]}" ${arguments[@]+"${arguments[@]}"} -Djava.awt.headless=true "-Djava.util.prefs.userRoot=$scratch" -jar)
  if [ -n "${JMETER_HOME:-}" ]; then
    [ -f "$JMETER_HOME/bin/ApacheJMeter.jar" ] || die "JMETER_HOME=$JMETER_HOME has no bin/ApacheJMeter.jar: correct or unset it"
    jmeter=("${java[@]}" "$JMETER_HOME/bin/ApacheJMeter.jar")
    found=$(version_of "${jmeter[@]}")
    ((${found%%.*} >= 5)) 2>/dev/null || die "the JMeter in JMETER_HOME is ${found:-of unknown version}, not 5.0 or newer: unset JMETER_HOME"
    return
  fi
  if command -v jmeter >/dev/null; then
    jmeter=(jmeter)
    found=$(version_of jmeter)
    ((${found%%.*} >= 5)) 2>/dev/null && return
    say "the jmeter on the PATH is ${found:-of unknown version}: not used, because it is not 5.0 or newer"
  fi
  fetch_jmeter
  jmeter=("${java[@]}" "$home/bin/ApacheJMeter.jar")
}

# Sets $home. A folder with this name is complete: it is filled elsewhere and renamed.
fetch_jmeter() {
  local cache
  cache=$(fetched)
  home=$cache/jmeter-$version
  [ -e "$home/COMPLETE" ] && return
  need mvn "$hint"
  need flock "apt-get install util-linux"
  mkdir -p "$cache" || die "$cache cannot be created: set TOLERANCIA_CACHE"
  # One download at a time; the others wait for it.
  exec 8>>"$cache/jmeter-$version.lock"
  flock -w 900 8 || die "another download of JMeter into $cache does not end"
  if [ ! -e "$home/COMPLETE" ]; then
    say "fetching JMeter $version from Maven Central into $home (once)"
    staging=$(mktemp -d "$cache/jmeter-$version.XXXXXX")
    pom >"$staging/pom.xml"
    copy || { say "once more" && copy; } || {
      grep ERROR "$staging/log" | head -5 >&2 || true
      die "JMeter could not be fetched from Maven Central: is there a network, or a proxy in ~/.m2/settings.xml?"
    }
    lay_out "$staging/jars" "$staging/home"
    : >"$staging/home/COMPLETE"
    rm -rf "$home" && mv -T "$staging/home" "$home"
    rm -rf "$staging" && staging=
  fi
  exec 8>&-
}

# What is fetched. config has what belongs into bin; 5.6.3 is a version whose poms name only what is on Maven Central
# (5.5 is not: "Could not find artifact org.apache.jmeter:bom").
pom() {
  local part
  cat <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tolerancia</groupId><artifactId>jmeter</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
POM
  for part in '' _config _core _components _functions _http; do
    echo "    <dependency><groupId>org.apache.jmeter</groupId><artifactId>ApacheJMeter$part</artifactId><version>$version</version></dependency>"
  done
  cat <<POM
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>$plugin</version>
    <executions>
      <execution><id>jars</id><configuration>
        <includeScope>runtime</includeScope>
        <outputDirectory>\${project.basedir}/jars</outputDirectory>
      </configuration></execution>
      <execution><id>bin</id><configuration>
        <includeArtifactIds>ApacheJMeter_config</includeArtifactIds>
        <includes>bin/**</includes>
        <outputDirectory>\${project.basedir}/home</outputDirectory>
      </configuration></execution>
    </executions>
  </plugin></plugins></build>
</project>
POM
}

# --strict-checksums: a damaged file is refused. A repository of its own: nothing is left in ~/.m2.
# In the background, because a signal to this script is heard in `wait` only.
copy() {
  local goals=org.apache.maven.plugins:maven-dependency-plugin:$plugin
  timeout 600 mvn --quiet --batch-mode --strict-checksums -f "$staging/pom.xml" "-Dmaven.repo.local=$staging/m2" \
    "$goals:copy-dependencies@jars" "$goals:unpack-dependencies@bin" >"$staging/log" 2>&1 8>&- &
  maven=$!
  local status=0
  wait "$maven" || status=$?
  maven=''
  return "$status"
}

# lay_out JARS HOME: as JMeter's own archive is. Its parts are in lib/ext and everything else in lib; only the launcher,
# which finds the rest from where it lies itself, is in bin.
lay_out() {
  mkdir -p "$2/lib/ext" "$2/lib/junit"
  rm "$1/ApacheJMeter_config-$version.jar"
  mv "$1/ApacheJMeter-$version.jar" "$2/bin/ApacheJMeter.jar"
  mv "$1"/ApacheJMeter_*.jar "$2/lib/ext/"
  mv "$1"/*.jar "$2/lib/"
  if [ ! -s "$2/bin/jmeter.properties" ] || [ ! -d "$2/bin/report-template" ]; then
    die "Maven fetched JMeter without its configuration"
  fi
}
