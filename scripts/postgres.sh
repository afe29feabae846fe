#!/usr/bin/env bash
# A throw-away PostgreSQL cluster on loopback. For laboratories and tests: it keeps its data over the death of the
# server, not over `stop`.
#
#   eval "$(scripts/postgres.sh start)"  make and start it, and tell the services where it is
#   scripts/postgres.sh status           0: it answers; 1: it does not; 3: there is none
#   scripts/postgres.sh restart          the same cluster again on its data, also after the server was killed
#   scripts/postgres.sh stop             end it and delete its data
#
# `start` repeated brings it back if it died, and prints the same line.
#
# Environment:
#   POSTGRES_PORT   5433
#   POSTGRES_DIR    data, log and settings; the server's process id is the first line of data/postmaster.pid;
#                   ${XDG_CACHE_HOME:-$HOME/.cache}/tolerancia/postgres-run, for root /var/cache/tolerancia/postgres-run
#   POSTGRES_TLS    off; on: TLS only, with a throw-away CA, whose certificate POSTGRES_URL then names (needs openssl)
#   POSTGRES_BIN    folder with initdb, postgres and psql; the newest /usr/lib/postgresql/*/bin
#
# PostgreSQL refuses to run as root: root runs it as the user `postgres` (or `nobody`), which must be able to enter the
# folder that POSTGRES_DIR is in. There is a role and a database `tolerancia`, no superuser's password, no Unix socket.
# Debian: apt-get install postgresql. The cluster that comes with the package is not touched and need not run.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

patience=60 # seconds for a start; crash recovery of a small cluster needs 1

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

# ---- settings -------------------------------------------------------------------------------------------------

postgres_dir() {
  if [ -n "${POSTGRES_DIR:-}" ]; then
    dir=$POSTGRES_DIR
  elif [ "$EUID" = 0 ]; then
    # Root's home is closed to the user that PostgreSQL runs as.
    dir=/var/cache/tolerancia/postgres-run
  else
    dir=$(cache_home)/tolerancia/postgres-run
  fi
  [[ $dir == /* ]] || dir=$PWD/$dir
  data=$dir/data
  owned "$dir" postgres.lock || die "$dir has something else in it: choose another POSTGRES_DIR"
}

# What `start` was told, kept beside the data: every later command goes by it.
settings() { printf '%s\n' "$port" "$password" "$bin" "$tls"; }
load_settings() {
  { read -r port && read -r password && read -r bin; } <"$dir/settings" ||
    die "$dir/settings cannot be read: scripts/postgres.sh stop"
  # A cluster of before there was TLS has none.
  tls=$(sed -n 4p "$dir/settings")
  tls=${tls:-off}
}
started() { [ -s "$dir/settings" ]; }

find_postgres() {
  local found
  bin=${POSTGRES_BIN:-}
  if [ -z "$bin" ]; then
    # The client's package makes such a folder too, without initdb.
    for found in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
      if [ -x "$found/initdb" ]; then bin=$found; fi
    done
  fi
  [ -n "$bin" ] || die "PostgreSQL is missing: apt-get install postgresql (the cluster that comes with the package need not run)"
  for found in initdb postgres psql; do
    [ -x "$bin/$found" ] || die "there is no $found in $bin: apt-get install postgresql, or set POSTGRES_BIN"
  done
}

# Sets $unprivileged: what goes before a command that must not run as root.
find_user() {
  user=$(id -un)
  unprivileged=(env -i "PATH=/usr/bin:/bin" LC_ALL=C TZ=UTC)
  if [ "$EUID" = 0 ]; then
    need setpriv "apt-get install util-linux"
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    id "$user" >/dev/null 2>&1 || die "there is no user postgres or nobody to run PostgreSQL as: useradd --system postgres"
    unprivileged=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups "${unprivileged[@]}")
  fi
}

print_exports() {
  local url=postgres://tolerancia:$password@127.0.0.1:$port/tolerancia
  if [ "$tls" = on ]; then url+="?sslmode=verify-full&sslrootcert=$(in_url "$dir/tls/ca.pem")"; fi
  echo "export POSTGRES_URL='$url'"
}

# in_url TEXT: with every character that means something in a URL, or in quotes, as %XX.
in_url() {
  local text=$1 i character
  for ((i = 0; i < ${#text}; i++)); do
    character=${text:i:1}
    case $character in
      [A-Za-z0-9/._~-]) printf '%s' "$character" ;;
      *) printf '%s' "$character" | od -An -v -tx1 | tr -d '\n' | tr ' ' '%' ;;
    esac
  done
}

# ---- the server -----------------------------------------------------------------------------------------------

# query ROLE PASSWORD DATABASE, SQL on stdin. Nothing of the caller's ~/.psqlrc, ~/.pgpass or PG* variables.
query() {
  env -i PATH=/usr/bin:/bin LC_ALL=C PGCONNECT_TIMEOUT=3 "PGPASSWORD=$2" "$bin/psql" --no-psqlrc --quiet --tuples-only \
    --no-align --set ON_ERROR_STOP=1 "host=127.0.0.1 port=$port user=$1 dbname=$3"
}
answers() { [ "$(query tolerancia "$password" tolerancia <<<'SELECT 1' 2>/dev/null)" = 1 ]; }

# The processes of this cluster: all have its data directory as working directory, and initdb names it. The pid file
# names the first only, and says nothing about backends that outlive it.
processes() {
  local at name
  for at in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$at/comm" || continue
    case $name in
      postgres) [ "$at/cwd" -ef "$data" ] || continue ;;
      initdb) runs "${at#/proc/}" "--pgdata=$data" || continue ;;
      *) continue ;;
    esac
    echo "${at#/proc/}"
  done
}

signal() {
  local pid
  for pid in $(processes); do kill "-$1" "$pid" 2>/dev/null || true; done
}

# none_left TENTHS: waits until no process of the cluster is left.
none_left() {
  local i
  for ((i = 0; i < $1; i++)); do
    [ -n "$(processes)" ] || return 0
    sleep 0.1
  done
  [ -z "$(processes)" ]
}

# end_all TENTHS: a fast shutdown, and SIGKILL when it takes too long, which leaves segments of shared memory behind.
# SIGCONT: who is stopped hears nothing else.
end_all() {
  # Before it works in its data directory it is known by its id and its arguments only.
  if runs "$launched" "$data"; then kill -TERM "$launched" 2>/dev/null || true; fi
  # Backends end by SIGTERM; the server itself would wait for their clients then, hence its SIGINT.
  local server
  server=$(head -1 "$data/postmaster.pid" 2>/dev/null || true)
  if [[ " $(processes | tr '\n' ' ')" == *" $server "* ]]; then kill -INT "$server" 2>/dev/null || true; else signal TERM; fi
  signal CONT
  if ! none_left "$1"; then
    signal KILL
    none_left 50 || die "a process of PostgreSQL survives SIGKILL: $(processes | tr '\n' ' ')"
  fi
}
launched=''

# A server that was killed leaves a pid file, which may name another process by now, and a System V segment.
clear_remains() {
  local server memory
  [ -e "$data/postmaster.pid" ] || return 0
  # The server's process id (negative: one of initdb), and key and id of the segment.
  server=$(sed -n '1s/^-//;1p' "$data/postmaster.pid")
  memory=$(sed -n '7s/^ *[0-9]* *//p' "$data/postmaster.pid")
  # Only if that server made it and nobody uses it: ids are used again.
  if [ -n "$memory" ] && awk -v id="$memory" -v pid="$server" \
    '$2 == id && $5 == pid && $7 == 0 { found = 1 } END { exit !found }' /proc/sysvipc/shm 2>/dev/null; then
    ipcrm -m "$memory" 2>/dev/null || true
  fi
  rm -f "$data/postmaster.pid"
}

# begin COMMAND…: runs it so that a signal to this script is heard at once (`wait` hears it, a foreground command does not).
begin() {
  "$@" </dev/null >>"$dir/log" 2>&1 9>&- &
  child=$!
  local status=0
  wait "$child" || status=$?
  child=''
  return "$status"
}
child=''

log_tail() { tail -n 15 "$dir/log" >&2 2>/dev/null || true; }

# launch: the server, detached: with no terminal and no descriptor of ours it outlives whoever called us.
launch() {
  listens "$port" && die "something else listens on 127.0.0.1, port $port: stop it, or choose another POSTGRES_PORT"
  (
    # The caller's working directory may be closed to $user.
    cd /
    # fsync stays on, though a throw-away cluster need not survive the loss of power: what is measured against it
    # should take the time that it takes elsewhere. Shared memory in files of the data directory goes with it.
    exec setsid "${unprivileged[@]}" "$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 \
      -c unix_socket_directories= -c dynamic_shared_memory_type=mmap -c shared_buffers=32MB -c "ssl=$tls" \
      </dev/null >>"$dir/log" 2>&1 9>&-
  ) &
  launched=$!
  disown
}

# await COMMAND…: until the server lets it succeed.
await() {
  local deadline=$((SECONDS + patience))
  until "$@"; do
    if ! kill -0 "$launched" 2>/dev/null; then
      log_tail
      die "PostgreSQL ended at once; its log is above"
    fi
    if ((SECONDS >= deadline)); then
      log_tail
      die "PostgreSQL did not answer within $patience s; its log is above"
    fi
    sleep 0.1
  done
}

# ---- commands -------------------------------------------------------------------------------------------------

# However `start` ends before the cluster answers: what it began is undone. What was there before stays.
undo() {
  # Nothing may end this half-way. (A bare `return` under a trap gives the status from before the trap.)
  set +e
  if [ -n "$child" ] && kill "$child" 2>/dev/null; then wait "$child"; fi
  if ! started && locked "$dir" postgres.lock; then
    end_all 50
    clear_remains
    delete_dir
  fi
}

# Only what this script made: somebody's own file in there stays, and the folder with it.
delete_dir() {
  rm -rf "$dir"/{data,log,settings,settings.new,superuser,tls}
  rm -f "$dir/postgres.lock"
  rmdir "$dir" 2>/dev/null || [ ! -e "$dir" ] || say "$dir has other files in it and stays"
}

# The server refuses a key that others may read, and connections in the clear; nothing else may connect.
require_tls() {
  throw_away_certificate "$dir/tls" server
  chmod 711 "$dir/tls"
  chmod 644 "$dir/tls/ca.pem"
  mv "$dir/tls/server.crt" "$dir/tls/server.key" "$data"
  chmod 600 "$data/server.key"
  echo "hostssl all all 127.0.0.1/32 scram-sha-256" >"$data/pg_hba.conf"
  if [ "$EUID" = 0 ]; then chown "$user" "$data"/server.{crt,key} "$data/pg_hba.conf"; fi
}

create_cluster() {
  local superuser
  superuser=$(random)
  password=$(random)
  # Root keeps the folder, its log and settings; the data are the unprivileged user's.
  chmod 711 "$dir"
  (umask 077 && : >"$dir/log" && mkdir "$data" && echo "$superuser" >"$dir/superuser")
  if [ "$EUID" = 0 ]; then chown "$user" "$data" "$dir/superuser"; fi
  "${unprivileged[@]}" test -x "$data" 2>/dev/null ||
    die "the user $user cannot enter $dir: choose a POSTGRES_DIR whose parents are open to all (chmod a+x)"
  begin "${unprivileged[@]}" "$bin/initdb" --pgdata="$data" --username=postgres --pwfile="$dir/superuser" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync || {
    log_tail
    die "the cluster could not be made; the end of initdb's output is above"
  }
  rm -f "$dir/superuser"
  if [ "$tls" = on ]; then require_tls; fi
  launch
  local create="CREATE ROLE tolerancia LOGIN PASSWORD '$password'; CREATE DATABASE tolerancia OWNER tolerancia;"
  # shellcheck disable=SC2317 # for await
  is_up() { query postgres "$superuser" postgres <<<'SELECT 1' >/dev/null 2>&1; }
  await is_up
  # One statement at a time: a database cannot be created in a transaction.
  query postgres "$superuser" postgres <<<"${create//; /;$'\n'}" >>"$dir/log" 2>&1 || {
    log_tail
    die "role and database could not be created"
  }
}

start() {
  trap undo EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  lock "$dir" postgres.lock 300
  if started; then
    local wanted=${POSTGRES_PORT:-}
    load_settings
    [ "${wanted:-$port}" = "$port" ] ||
      die "a cluster on port $port is in $dir: scripts/postgres.sh stop, or choose another POSTGRES_DIR"
    [ "${POSTGRES_TLS:-$tls}" = "$tls" ] ||
      die "a cluster with POSTGRES_TLS=$tls is in $dir: scripts/postgres.sh stop, or choose another POSTGRES_DIR"
    if answers; then
      say "it runs already; log and data: $dir"
    else
      again
    fi
  else
    port=${POSTGRES_PORT:-5433}
    is_number "$port" 1 65535 || die "POSTGRES_PORT=$port is not a port from 1 to 65535"
    tls=${POSTGRES_TLS:-off}
    case $tls in
      on) need openssl "apt-get install openssl" ;;
      off) ;;
      *) die "POSTGRES_TLS=$tls is neither on nor off" ;;
    esac
    find_postgres
    find_user
    # What a `start` left that was killed half-way.
    end_all 50
    clear_remains
    rm -rf "$data"
    create_cluster
    await answers
    # From here on it runs, and a signal comes too late.
    trap '' INT TERM HUP
    (umask 077 && settings >"$dir/settings.new") && mv "$dir/settings.new" "$dir/settings"
    say "PostgreSQL $(cat "$data/PG_VERSION") runs; log and data: $dir"
  fi
  print_exports
}

# again: ends what is left of the server and starts it on its data.
again() {
  find_user
  [ -x "$bin/postgres" ] || die "there is no postgres in $bin any more: scripts/postgres.sh stop"
  end_all 100
  clear_remains
  launch
  await answers
  say "PostgreSQL runs again"
}

restart() {
  started || die "there is no cluster in $dir: scripts/postgres.sh start"
  lock "$dir" postgres.lock 300
  load_settings
  again
  print_exports
}

stop() {
  if [ ! -d "$dir" ]; then
    say "there is nothing to stop"
    return 0
  fi
  lock "$dir" postgres.lock 300
  end_all 50
  clear_remains
  delete_dir
  say "stopped, and its data deleted"
}

status() {
  if ! started; then
    echo "no cluster in $dir"
    exit 3
  fi
  load_settings
  if answers; then
    echo "runs, process $(head -1 "$data/postmaster.pid"), 127.0.0.1:$port"
  elif [ -n "$(processes)" ]; then
    echo "does not answer, processes $(processes | tr '\n' ' ')"
    exit 1
  else
    echo "not running (scripts/postgres.sh restart)"
    exit 1
  fi
}

command=${1:-}
[ $# -le 1 ] || die "$command takes no arguments"
case $command in
  start | stop | status | restart)
    postgres_dir
    "$command"
    ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
