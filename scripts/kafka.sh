#!/usr/bin/env bash
# A throw-away Apache Kafka (KRaft, no ZooKeeper) on loopback. For laboratories and tests: it keeps its data over the
# death of a broker, not over `stop`.
#
#   eval "$(scripts/kafka.sh start)"     start it, and tell the services where it is
#   scripts/kafka.sh start --sasl        clients must name a user and a password (SASL/PLAIN)
#   scripts/kafka.sh start --tls         clients speak TLS; --sasl --tls: both
#   scripts/kafka.sh status              0: all brokers answer; 1: some do not; 3: there is none
#   scripts/kafka.sh restart-broker N    broker N again, on the data that it had
#   scripts/kafka.sh stop                end all brokers and delete their data
#
# `start` repeated brings back brokers that died, and prints the same lines.
#
# Environment:
#   KAFKA_PORT      9092; broker n listens for clients on KAFKA_PORT+n-1, its controller on KAFKA_PORT+10+n-1;
#                   with --sasl or --tls brokers talk to each other on KAFKA_PORT+20+n-1
#   KAFKA_BROKERS   1 (1 to 9); from 3 on the death of one is survived
#   KAFKA_DIR       data, logs, settings, one pid file per broker (broker-1.pid …);
#                   ${XDG_CACHE_HOME:-$HOME/.cache}/tolerancia/kafka-run
#   KAFKA_EXTRA     more broker properties, one a line, or separated by commas where there is one line only
#   KAFKA_SASL=plain, KAFKA_TLS=on       the same as --sasl and --tls
#   KAFKA_HEAP_MB   256
#   TOLERANCIA_CACHE  where the jars are kept: ${XDG_CACHE_HOME:-$HOME/.cache}/tolerancia
#
# Needs Java 17 or later; Maven and Maven Central for the first start only (45 MB).
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kafka-broker.sh
. "$here/kafka-broker.sh"

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

# ---- settings -------------------------------------------------------------------------------------------------

read_settings() {
  port=${KAFKA_PORT:-9092}
  count=${KAFKA_BROKERS:-1}
  heap=${KAFKA_HEAP_MB:-256}
  extra=${KAFKA_EXTRA:-}
  [[ $extra == *$'\n'* ]] || extra=${extra//,/$'\n'}
  is_number "$count" 1 9 || die "KAFKA_BROKERS=$count is not a number from 1 to 9"
  is_number "$port" 1 65506 || die "KAFKA_PORT=$port is not a port from 1 to 65506"
  is_number "$heap" 128 65536 || die "KAFKA_HEAP_MB=$heap is not a number from 128 to 65536"
  case ${KAFKA_SASL:-off} in
    plain) sasl=on ;;
    off) sasl=${sasl:-off} ;;
    *) die "KAFKA_SASL=$KAFKA_SASL is neither plain nor off" ;;
  esac
  case ${KAFKA_TLS:-off} in
    on) tls=on ;;
    off) tls=${tls:-off} ;;
    *) die "KAFKA_TLS=$KAFKA_TLS is neither on nor off" ;;
  esac
}

# The dir is asked for first: without a dir of its own nothing can be said.
kafka_dir() {
  if [ -n "${KAFKA_DIR:-}" ]; then dir=$KAFKA_DIR; else dir=$(cache_home)/tolerancia/kafka-run; fi
  [[ $dir == /* ]] || dir=$PWD/$dir
  [[ $dir != *[,\\]* && $dir != *$'\n'* ]] || die "KAFKA_DIR=$dir: Kafka takes no comma and no backslash in it"
  owned "$dir" kafka.lock || die "$dir has something else in it: choose another KAFKA_DIR"
}

# What `start` was told, kept beside the data: every later command goes by it.
settings() { printf '%s\n' "$port" "$count" "$sasl" "$tls" "$heap" "$cluster" "$password" "$extra"; }
load_settings() {
  { read -r port && read -r count && read -r sasl && read -r tls && read -r heap && read -r cluster && read -r password; } \
    <"$dir/settings" || die "$dir/settings cannot be read: scripts/kafka.sh stop"
  extra=$(tail -n +8 "$dir/settings")
}
started() { [ -s "$dir/settings" ]; }

client_port() { echo $((port + $1 - 1)); }
# Where brokers can be asked without a password.
plain_port() { if is_secure; then echo $((port + 20 + $1 - 1)); else client_port "$1"; fi; }
is_secure() { [ "$sasl$tls" != offoff ]; }
protocol() {
  case $sasl$tls in
    offoff) echo PLAINTEXT ;;
    onoff) echo SASL_PLAINTEXT ;;
    offon) echo SSL ;;
    onon) echo SASL_SSL ;;
  esac
}

# What the services and kcat must be told.
print_exports() {
  local n servers=''
  for ((n = 1; n <= count; n++)); do servers+=${servers:+,}127.0.0.1:$(client_port "$n"); done
  echo "export KAFKA_BOOTSTRAP_SERVERS=$servers"
  if ((count > 1)); then echo "export KAFKA_REPLICATION=$((count < 3 ? count : 3))"; fi
  if is_secure; then echo "export KAFKA_PROP_SECURITY_PROTOCOL=$(protocol)"; fi
  if [ "$sasl" = on ]; then
    echo "export KAFKA_PROP_SASL_MECHANISM=PLAIN"
    echo "export KAFKA_PROP_SASL_USERNAME=tolerancia"
    echo "export KAFKA_PROP_SASL_PASSWORD=$password"
  fi
  if [ "$tls" = on ]; then printf 'export KAFKA_PROP_SSL_CA_LOCATION=%q\n' "$dir/tls/ca.pem"; fi
}

# ---- commands -------------------------------------------------------------------------------------------------

# However `start` ends before the cluster answers: what it began is undone. What was there before stays.
undo() {
  # Nothing may end this half-way. (A bare `return` under a trap gives the status from before the trap.)
  set +e
  if [ -n "$maven" ] && kill "$maven" 2>/dev/null; then wait "$maven" || true; fi
  if [ -n "$staging" ]; then rm -rf "$staging"; fi
  if ! started && locked "$dir" kafka.lock; then
    end_all 0
    delete_dir
  fi
}

# end_all TENTHS: by what is there, not by the settings, which a `start` that was killed half-way has not written.
end_all() {
  local file n patience=$1
  for n in ${launched[@]+"${launched[@]}"}; do has_pid_file "$n" || true; done
  for file in "$dir"/broker-[1-9].pid; do
    n=${file##*broker-} n=${n%.pid}
    if alive "$n"; then { kill -TERM "$(pid_of "$n")" && kill -CONT "$(pid_of "$n")"; } 2>/dev/null || true; fi
  done
  for file in "$dir"/broker-[1-9].pid; do
    n=${file##*broker-} n=${n%.pid}
    # The last of several brokers finds no majority to take leave of: one patience for all.
    if ! gone "$(pid_of "$n")" "$(mark_of "$n")" "$patience"; then
      end "$n" 0
      patience=0
    fi
  done
}

# Only what this script made: somebody's own file in there stays, and the folder with it.
delete_dir() {
  rm -rf "$dir"/broker-[1-9] "$dir"/broker-[1-9].* "$dir"/{tls,log4j2.properties,settings,settings.new}
  rm -f "$dir/kafka.lock"
  rmdir "$dir" 2>/dev/null || [ ! -e "$dir" ] || say "$dir has other files in it and stays"
}

check_ports() {
  local n p busy=''
  for n in "$@"; do
    for p in "$(client_port "$n")" $((port + 10 + n - 1)) "$(plain_port "$n")"; do
      if listens "$p"; then [[ " $busy " == *" $p "* ]] || busy+=" $p"; fi
    done
  done
  [ -z "$busy" ] || die "something else listens on 127.0.0.1, port$busy: stop it, or choose another KAFKA_PORT"
}

# same PORT COUNT SASL TLS EXTRA: whether the running cluster is as wanted, as far as something was said.
same() {
  local have=("$port" "$count" "$sasl" "$tls" "$extra") i want
  for i in "${!have[@]}"; do
    want=${*:i+1:1}
    [ -z "$want" ] || [ "$want" = "${have[i]}" ] || return 1
  done
}

start() {
  read_settings
  need_java
  if [ "$tls" = on ]; then need openssl "apt-get install openssl"; fi
  trap undo EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  lock "$dir" kafka.lock 300
  local n absent=()
  if started; then
    local told=("${KAFKA_PORT:+$port}" "${KAFKA_BROKERS:+$count}" "${sasl#off}" "${tls#off}" "$extra")
    load_settings
    same "${told[@]}" || die "a cluster with other settings is in $dir (port $port, brokers: $count, $(protocol)):" \
      "scripts/kafka.sh stop, or choose another KAFKA_DIR"
    for ((n = 1; n <= count; n++)); do alive "$n" || absent+=("$n"); done
    if [ ${#absent[@]} = 0 ]; then say "it runs already; logs and data: $dir"; fi
  else
    # What a `start` left that was killed half-way.
    end_all 0
    chmod 700 "$dir"
    # The cluster's id: 16 random bytes in URL-safe base64, which must not look like an option.
    cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
    cluster=${cluster/#-/A}
    password=$(random)
    for ((n = 1; n <= count; n++)); do absent+=("$n"); done
  fi
  check_ports ${absent[@]+"${absent[@]}"}
  fetch_kafka
  if ! started; then
    rm -rf "$dir"/broker-[1-9] "$dir"/broker-[1-9].*
    write_log_config
    if [ "$tls" = on ]; then write_certificates; fi
  fi
  for n in ${absent[@]+"${absent[@]}"}; do
    launch "$n"
  done
  # shellcheck disable=SC2046 # numbers
  await $(seq "$count")
  if ! started; then
    # From here on it runs, and a signal comes too late.
    trap '' INT TERM HUP
    settings >"$dir/settings.new" && mv "$dir/settings.new" "$dir/settings"
    say "Kafka $version runs (brokers: $count); logs and data: $dir"
  fi
  print_exports
}

restart_broker() {
  local n=$1
  started || die "there is no cluster in $dir: scripts/kafka.sh start"
  need_java
  lock "$dir" kafka.lock 300
  load_settings
  is_number "$n" 1 "$count" || die "there is no broker $n: they are 1 to $count"
  fetch_kafka
  end "$n" 100
  check_ports "$n"
  launch "$n"
  local living
  living=$(alive_brokers | wc -l)
  if ((living * 2 <= count)); then
    say "broker $n is started; it answers once most of the $count brokers run"
    return 0
  fi
  await "$n"
  say "broker $n runs again"
}

stop() {
  if [ ! -d "$dir" ]; then
    say "there is nothing to stop"
    return 0
  fi
  lock "$dir" kafka.lock 300
  end_all 50
  delete_dir
  say "stopped, and its data deleted"
}

status() {
  local n bad=0
  if ! started; then
    echo "no cluster in $dir"
    exit 3
  fi
  load_settings
  for ((n = 1; n <= count; n++)); do
    if ! alive "$n"; then
      echo "broker $n: not running (scripts/kafka.sh restart-broker $n)"
      bad=1
    elif ! members "$n" >/dev/null; then
      echo "broker $n: does not answer, process $(pid_of "$n")"
      bad=1
    else
      echo "broker $n: runs, process $(pid_of "$n"), 127.0.0.1:$(client_port "$n") ($(protocol))"
    fi
  done
  exit "$bad"
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
  start)
    for option in "$@"; do
      case $option in
        --sasl) sasl=on ;;
        --tls) tls=on ;;
        *) die "start knows --sasl and --tls, not $option" ;;
      esac
    done
    kafka_dir
    start
    ;;
  stop | status)
    [ $# = 0 ] || die "$command takes no arguments"
    kafka_dir
    "$command"
    ;;
  restart-broker)
    [ $# = 1 ] || die "which broker? scripts/kafka.sh restart-broker N"
    kafka_dir
    restart_broker "$1"
    ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
