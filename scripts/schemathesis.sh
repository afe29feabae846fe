#!/usr/bin/env bash
# Tests the services of a system against their own OpenAPI documents with Schemathesis: no answer is a 5xx, and all are
# as the documents say.
#
#   scripts/schemathesis.sh                       as CI does: the same requests each time
#   scripts/schemathesis.sh --seed 7 --seconds 300     others, for so long
#
#   option         default                      meaning
#   --bin          target/debug/tolerancia      the program; it is started, on a data directory of its own
#   --base-port    21201                        its first port, as of `tolerancia up`
#   --seed         1                            the same seed, the same requests
#   --examples     10                           random requests per operation and phase
#   --seconds                                   the documents in turn, until so many seconds are spent
#   --only                                      one of the passes: orders, inventory, monitor, voter, dashboard, faults
#
# Two kinds of routes are left out, by their names:
#   /live, /events, /trace, /api/live   never end: a client would wait for ever; the services' own tests read them
#   /monitor/…, /voter/…                are the same handlers as without; a test compares the documents
# And /fault, /api/faults and /api/experiments are not tested together with others, since what they do is to make answers
# wrong: the pass `faults` tests them last, and judges nothing else then. Faults that end or stop the process are replaced
# by another one there (schemathesis/hooks.py), and experiments are switched off.
#
# Exit code: 0 nothing found; 1 findings; 2 the test could not be carried out.
#
# Schemathesis comes from PyPI, pinned by hash in schemathesis/requirements.txt, into a folder of its own (some 100 MB).
# Needs Python 3.10 or newer with venv.
#
# Environment:
#   TOLERANCIA_CACHE  where it is kept: ${XDG_CACHE_HOME:-$HOME/.cache}/tolerancia
#   PYTHON            python3
set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=lib.sh disable=SC1091 # not followed without -x
. "$here/lib.sh"
# Also for lib.sh: 1 means findings.
die() {
  say "$*"
  exit 2
}
usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

python=${PYTHON:-python3} bin=$here/../target/debug/tolerancia port=21201 seed=1 examples=10 seconds='' only=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --bin | --base-port | --seed | --examples | --seconds | --only) [ $# -gt 1 ] || die "$1 needs a value" ;;&
    --bin) bin=$2 ;;
    --base-port) port=$2 ;;
    --seed) seed=$2 ;;
    --examples) examples=$2 ;;
    --seconds) seconds=$2 ;;
    --only) only=$2 ;;
    *) die "unknown argument $1: see --help" ;;
  esac
  shift 2
done
is_number "$port" 1 65000 || die "--base-port $port is not a number from 1 to 65000"
is_number "$seed" 0 999999 || die "--seed $seed is not a number from 0 to 999999"
is_number "$examples" 1 100000 || die "--examples $examples is not a number from 1 to 100000"
[ -z "$seconds" ] || is_number "$seconds" 6 86400 || die "--seconds $seconds is not a number from 6 to 86400"
case $only in
  "" | orders | inventory | monitor | voter | dashboard | faults) ;;
  *) die "--only $only is none of the passes: see --help" ;;
esac
[ -x "$bin" ] || die "$bin is missing: cargo build -p tolerancia, or name the program with --bin"
need "$python" "install Python 3.10 or newer, or set PYTHON"

# --- Schemathesis -----------------------------------------------------------------------------------------------------

requirements=$here/schemathesis/requirements.txt
# Another list, another Python or another machine, another folder.
key=$({ "$python" -c 'import platform, sys; print(sys.executable, sys.version, platform.machine())' && cat "$requirements"; } | sha256sum)
tools=$(fetched)/schemathesis-${key:0:16}
install() {
  mkdir -p "$(fetched)" || die "$(fetched) cannot be made: set TOLERANCIA_CACHE to a folder for caches"
  exec 9>"$tools.lock" || die "$tools.lock cannot be written"
  flock -w 300 9 || die "another schemathesis.sh is installing into $tools: try again later"
  [ ! -e "$tools/complete" ] || return 0
  say "installing Schemathesis into $tools"
  rm -rf "$tools"
  "$python" -m venv "$tools" >/dev/null || die "no virtual environment: install Python's venv (Debian: python3-venv)"
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --require-hashes \
    -r "$requirements" || die "Schemathesis cannot be had from PyPI: see above"
  touch "$tools/complete"
}
[ -e "$tools/complete" ] || install
exec 9>&-

# --- The system -------------------------------------------------------------------------------------------------------

dir=$(mktemp -d "${TMPDIR:-/tmp}/tolerancia-schemathesis-XXXXXX")
up=
end() {
  [ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up"; } || true
  rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM
token=$(random)
for ((n = port; n < port + 7; n++)); do
  ! listens "$n" || die "something listens on port $n already: choose another --base-port"
done
FAULT_TOKEN=$token EXPERIMENTS=off "$bin" up --base-port "$port" --data-dir "$dir/data" --results-dir "$dir/results" \
  --fault-injection on >"$dir/up.log" 2>&1 &
up=$!
# Whether all say UP.
ready() {
  "$tools/bin/python" - "$port" <<'PY'
import json, sys, urllib.request
for port in range(int(sys.argv[1]), int(sys.argv[1]) + 7):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            state = json.load(answer)["status"]
    except Exception as error:
        state = error
    if state != "UP":
        sys.exit(f"port {port}: {state}")
PY
}
wait_until_ready() {
  local deadline=$((SECONDS + 90))
  until why=$(ready 2>&1); do
    kill -0 "$up" 2>/dev/null || die "the system has ended: $(tail -n 5 "$dir/up.log")"
    ((SECONDS < deadline)) || die "the system is not UP after 90 s: $why"
    sleep 0.2
  done
}
wait_until_ready

# --- The passes -------------------------------------------------------------------------------------------------------

findings=0
# try NAME PORT ARGUMENT...
try() {
  local name=$1 at=$2 began=$SECONDS
  shift 2
  [ -z "$only" ] || [ "$only" = "$name" ] || [[ $name == "$only"* ]] || return 0
  local spend=()
  [ -z "$seconds" ] || spend=(--max-time $((seconds / 6)))
  printf '\n--- %s\n' "$name"
  local code=0
  (
    # Whatever it leaves there.
    cd "$dir"
    SCHEMATHESIS_HOOKS=$here/schemathesis/hooks.py "$tools/bin/schemathesis" \
      --config-file "$here/schemathesis/config.toml" run "http://127.0.0.1:$at/openapi.json" \
      --header "Authorization: Bearer $token" --checks all --phases examples,coverage,fuzzing,stateful \
      --seed "$seed" --max-examples "$examples" --generation-database none --request-timeout 10 --no-color \
      --suppress-health-check all --continue-on-failure ${spend[0]+"${spend[@]}"} "$@"
  ) >"$dir/$name.log" 2>&1 || code=$?
  if [ "$code" = 0 ]; then
    local cases
    cases=$(sed -n '/^Test cases:/{n;s/^ *//;s/,.*//;p;}' "$dir/$name.log")
    printf 'nothing found: %s in %d s\n' "$cases" $((SECONDS - began))
  else
    cat "$dir/$name.log"
    findings=1
  fi
}
try orders $((port + 5))
try inventory "$port" --exclude-path /fault
try monitor $((port + 3)) --exclude-path-regex '/(live|events|trace)$|^/monitor/'
try voter $((port + 4)) --exclude-path-regex '/live$|^/voter/'
try dashboard $((port + 6)) --exclude-path-regex '^/api/(live|faults|experiments)'
# The document says nothing of what comes after a DELETE: faults can be looked at again, there are none then.
try faults-replica "$port" --include-path /fault --exclude-checks use_after_free
try faults-dashboard $((port + 6)) --include-path-regex '^/api/(faults|experiments)' --exclude-checks use_after_free

kill -0 "$up" 2>/dev/null || die "the system has ended: $(tail -n 5 "$dir/up.log")"
if grep -E "panicked at|a defect in the service" "$dir/up.log" "$dir/data"/*.log 2>/dev/null; then
  say "a service panicked: see above"
  findings=1
fi
[ "$findings" = 0 ] || { say "findings, with seed $seed: see above" && exit 1; }
printf '\nno 5xx, no schema violation (seed %s)\n' "$seed"
