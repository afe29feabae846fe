# shellcheck shell=bash
# The brokers of scripts/kafka.sh: Kafka's jars, what a broker is told, its process, and whether it answers. To be sourced
# after lib.sh. Goes by the settings that kafka.sh reads: dir, port, count, sasl, tls, heap, cluster, password, extra.
# shellcheck disable=SC2154 # set there

version=4.3.1
log4j=2.25.4 # the log4j-core that this Kafka brings
plugin=3.6.1 # maven-dependency-plugin
patience=120 # seconds for a start; two slow cores with three brokers need 25

# ---- Kafka's jars ---------------------------------------------------------------------------------------------

need_java() {
  local hint="apt-get install default-jre-headless maven" found
  need java "$hint"
  found=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
  [ "${found:-0}" -ge 17 ] || die "Kafka $version needs Java 17 or later, and java is ${found:-unknown}: $hint"
}

# Sets $jars. A folder with this name is complete: it is filled elsewhere and renamed.
fetch_kafka() {
  local cache
  cache=$(fetched)
  jars=$cache/kafka-$version
  [ -e "$jars/COMPLETE" ] && return 0
  need mvn "apt-get install default-jre-headless maven"
  mkdir -p "$cache" || die "$cache cannot be created: set TOLERANCIA_CACHE"
  # One download at a time; the others wait for it.
  exec 8>>"$cache/kafka-$version.lock"
  flock -w 900 8 || die "another download of Kafka into $cache does not end"
  if [ ! -e "$jars/COMPLETE" ]; then
    say "fetching Kafka $version from Maven Central into $jars (once)"
    staging=$(mktemp -d "$cache/kafka-$version.XXXXXX")
    cat >"$staging/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tolerancia</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$log4j</version>
    </dependency>
  </dependencies>
</project>
POM
    # --strict-checksums: a damaged file is refused. A repository of its own: nothing is left in ~/.m2.
    # In the background, because a signal to this script is heard in `wait` only.
    copy() {
      timeout 600 mvn --quiet --batch-mode --strict-checksums -f "$staging/pom.xml" "-Dmaven.repo.local=$staging/m2" \
        "org.apache.maven.plugins:maven-dependency-plugin:$plugin:copy-dependencies" \
        -DincludeScope=runtime "-DoutputDirectory=$staging/libs" >"$staging/log" 2>&1 8>&- 9>&- &
      maven=$!
      local status=0
      wait "$maven" || status=$?
      maven=''
      return "$status"
    }
    copy || { say "once more"; copy; } || {
      grep ERROR "$staging/log" | head -5 >&2 || true
      die "Kafka could not be fetched from Maven Central: is there a network, or a proxy in ~/.m2/settings.xml?"
    }
    [ -e "$staging/libs/kafka_2.13-$version.jar" ] || die "Maven fetched no kafka_2.13-$version.jar"
    : >"$staging/libs/COMPLETE"
    rm -rf "$jars" && mv -T "$staging/libs" "$jars"
    rm -rf "$staging" && staging=
  fi
  exec 8>&-
}
staging='' maven=''

# ---- a broker -------------------------------------------------------------------------------------------------

pid_of() { cat "$dir/broker-$1.pid" 2>/dev/null || true; }
# The argument that a broker of this cluster has, and no other process.
mark_of() { echo "$dir/broker-$1.properties"; }
alive() { runs "$(pid_of "$1")" "$(mark_of "$1")"; }
alive_brokers() {
  local n
  for ((n = 1; n <= count; n++)); do if alive "$n"; then echo "$n"; fi; done
}

write_properties() {
  local n=$1 i voters='' listeners copies=$((count < 3 ? count : 3)) internal=CLIENT more=''
  for ((i = 1; i <= count; i++)); do voters+=${voters:+,}$i@127.0.0.1:$((port + 10 + i - 1)); done
  listeners=CLIENT://127.0.0.1:$(client_port "$n")
  if is_secure; then
    internal=INTERNAL
    more=,INTERNAL://127.0.0.1:$(plain_port "$n")
  fi
  cat <<PROPERTIES
node.id=$n
process.roles=broker,controller
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
inter.broker.listener.name=$internal
listeners=$listeners$more,CONTROLLER://127.0.0.1:$((port + 10 + n - 1))
advertised.listeners=$listeners$more
listener.security.protocol.map=CLIENT:$(protocol),INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/broker-$n
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=$copies
min.insync.replicas=$((copies > 2 ? 2 : 1))
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$copies
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$((copies > 2 ? 2 : 1))
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$((copies > 2 ? 2 : 1))
group.initial.rebalance.delay.ms=0
# A dead broker is out after 3 s (9 s as shipped).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# As much as a small heap bears.
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
PROPERTIES
  if [ "$sasl" = on ]; then
    cat <<PROPERTIES
sasl.enabled.mechanisms=PLAIN
listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_tolerancia="$password";
PROPERTIES
  fi
  if [ "$tls" = on ]; then
    cat <<PROPERTIES
listener.name.client.ssl.keystore.type=PEM
listener.name.client.ssl.keystore.location=$dir/tls/broker.pem
PROPERTIES
  fi
  printf '%s\n' "$extra"
}

write_log_config() {
  cat >"$dir/log4j2.properties" <<'LOG4J'
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=${sys:tolerancia.log}
appender.file.filePattern=${sys:tolerancia.log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
appender.file.policies.type=SizeBasedTriggeringPolicy
appender.file.policies.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=1
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
LOG4J
}

# As Kafka wants them: key and certificate in one file.
write_certificates() {
  local at=$dir/tls
  throw_away_certificate "$at" broker
  cat "$at/broker.key" "$at/broker.crt" >"$at/broker.pem"
  rm -f "$at/broker.key" "$at/broker.crt"
}

# What becomes broker N: a shell in a session of its own that writes its pid, so that there is no process without a pid
# file, formats the data directory if it is new, and turns into Java. Arguments: pid file, data directory, cluster id,
# properties, heap, then Java and its options. The properties must stay one of them: they are the mark.
# shellcheck disable=SC2016 # for the inner shell
broker='
  set -eu
  pid_file=$1 data=$2 cluster=$3 properties=$4 heap=$5
  shift 5
  echo $$ >"$pid_file.new" && mv "$pid_file.new" "$pid_file"
  if [ ! -e "$data/meta.properties" ]; then
    "$@" -Xmx128m kafka.tools.StorageTool format --cluster-id "$cluster" --config "$properties" &
    format=$!
    trap "kill $format; wait $format; exit 143" TERM
    wait "$format"
    trap - TERM
  fi
  exec "$@" "-Xmx${heap}m" -XX:+ExitOnOutOfMemoryError kafka.Kafka "$properties"'

# launch N: starts broker N, detached: with no terminal and no descriptor of ours it outlives whoever called us.
launch() {
  local n=$1
  launched+=("$n")
  rm -f "$dir/broker-$n.pid"
  write_properties "$n" >"$(mark_of "$n")"
  # Serial collection and the first compiler only: a quick start counts for more here than the last record per second.
  setsid bash -c "$broker" broker "$dir/broker-$n.pid" "$dir/broker-$n" "$cluster" "$(mark_of "$n")" "$heap" \
    java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "-Dtolerancia.log=$dir/broker-$n.log" \
    "-Dlog4j2.configurationFile=$dir/log4j2.properties" -cp "$jars/*" </dev/null >"$dir/broker-$n.out" 2>&1 9>&- &
  disown
  has_pid_file "$n" || die "broker $n could not be started: $(log_tail "$n")"
}
launched=()

# Between a launch and its pid file there is a moment.
has_pid_file() {
  local i
  for ((i = 0; i < 100; i++)); do
    [ -e "$dir/broker-$1.pid" ] && return 0
    sleep 0.05
  done
  return 1
}

# members N: the ids of the brokers that take part, as broker N tells them (Metadata request, version 1, no topics:
# length 14, key 3, version 1, correlation 1, no client id, empty list). Fails unless there is a whole answer.
members() {
  local bytes i id length
  bytes=$({
    exec 3<>"/dev/tcp/127.0.0.1/$(plain_port "$1")"
    printf '\0\0\0\16\0\3\0\1\0\0\0\1\377\377\0\0\0\0' >&3
    length=$((16#$(timeout 3 head -c 4 <&3 | od -An -tx1 | tr -d ' \n')))
    ((length >= 8 && length < 65536))
    timeout 3 head -c "$length" <&3 | od -An -v -tu1
  } 2>/dev/null 9>&-) || return 1
  read -r -d '' -a bytes <<<"$bytes" || true
  # Correlation, the number of brokers, then of each: id, host, port, rack.
  local left=$((bytes[7]))
  for ((i = 8; left > 0; left--)); do
    ((i + 13 <= ${#bytes[@]})) || return 1
    id=$((bytes[i + 2] * 256 + bytes[i + 3]))
    i=$((i + 6 + bytes[i + 4] * 256 + bytes[i + 5] + 4))
    # A rack of −1 is none.
    if ((bytes[i] == 255)); then i=$((i + 2)); else i=$((i + 2 + bytes[i] * 256 + bytes[i + 1])); fi
    echo "$id"
  done
}

# sees N WHOM…: whether broker N answers, and tells that all of these take part.
sees() {
  local seen n
  seen=$(members "$1") || return 1
  shift
  for n in "$@"; do grep -qx "$n" <<<"$seen" || return 1; done
}

# What broker N complained of first, and last.
log_tail() {
  grep -hE -m2 'Exception|ERROR|FATAL' "$dir/broker-$1".{log,out} 2>/dev/null || true
  tail -n 15 "$dir/broker-$1".{log,out} 2>/dev/null || true
}

# await N…: until each of them answers and sees them all.
await() {
  local n deadline=$((SECONDS + patience))
  for n in "$@"; do
    until sees "$n" "$@"; do
      # Twice: at the moment at which the shell becomes Java its arguments cannot be read.
      if ! alive "$n" && sleep 0.5 && ! alive "$n"; then
        log_tail "$n" >&2
        die "broker $n ended at once; its log is above"
      fi
      if ((SECONDS >= deadline)); then
        log_tail "$n" >&2
        die "broker $n did not answer within $patience s; its log is above"
      fi
      sleep 0.2
    done
  done
}

# end N TENTHS: SIGTERM, and SIGKILL when it takes too long. SIGCONT: one that is stopped hears nothing else.
end() {
  local pid
  pid=$(pid_of "$1")
  runs "$pid" "$(mark_of "$1")" || return 0
  kill -TERM "$pid" 2>/dev/null || true
  kill -CONT "$pid" 2>/dev/null || true
  gone "$pid" "$(mark_of "$1")" "$2" && return 0
  # The whole group: before it is Java it may have a child.
  kill -KILL -- "-$pid" 2>/dev/null || true
  gone "$pid" "$(mark_of "$1")" 50 || die "broker $1 (process $pid) survives SIGKILL"
}
