#!/usr/bin/env bash
# Runs the whole system the way its container does, without a container engine: as user 10001 without capabilities and
# without a way to get any, on a root file system that is read-only but for the data directory and /tmp. Every service
# must start and work there.
#
#   scripts/locked-down.sh [BINARY]   target/debug/tolerancia, with the embedded broker
#
# 0: all of it works; 1: something does not; 2: it cannot be tried here (namespaces need root, or a kernel that gives them
# to users; then there is only one user, and it is not 10001).
#
# Environment:
#   BASE_PORT   23101; the ports from there on must be free
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }
say() { printf 'locked-down.sh: %s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}
cannot() {
  say "$*" >&2
  exit 2
}
port=${BASE_PORT:-23101}

# ---- inside: what has the namespace to itself -----------------------------------------------------------------

# The program at /mnt/bin, data at /mnt/data, /tmp empty, and everything else as it is, but read-only.
lock_down() {
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 program /mnt
  mkdir /mnt/bin /mnt/data
  cp "$1" /mnt/bin/tolerancia
  mount -t tmpfs -o "mode=700,uid=$user,gid=$user" data /mnt/data
  local at
  # The innermost first. Some (a file of another namespace, say) cannot be remounted; the check below is what counts.
  while read -r at; do
    case $at in
      /mnt/data) ;;
      *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;;
    esac
  done < <(awk '{ print $5 }' /proc/self/mountinfo | sort -r)
  mount -t tmpfs -o mode=1777 tmp /tmp
}

# request METHOD PORT PATH [BODY]: the answer, head and body.
request() {
  local body=${4:-}
  exec 3<>"/dev/tcp/127.0.0.1/$2" || return 1
  printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$3" "${#body}" "$body" >&3
  timeout 20 cat <&3 || return 1
  exec 3>&-
}

# wants WORD METHOD PORT PATH [BODY]: until the answer has the word in it.
wants() {
  local word=$1 answer='' deadline=$((SECONDS + 60))
  shift
  until [[ $answer == *"$word"* ]]; do
    ((SECONDS < deadline)) || fail "$* does not answer with $word: ${answer:-nothing}"
    answer=$(request "$@" 2>/dev/null || true)
    sleep 0.2
  done
}

inside() {
  user=$1
  lock_down "$2"
  locked=(setpriv "--reuid=$user" "--regid=$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all
    --ambient-caps=-all env -i PATH=/usr/bin:/bin HOME=/mnt/data TMPDIR=/tmp)
  if [ "$user" = 0 ]; then locked=(setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "${locked[@]:8}"); fi
  cd /mnt/data
  local at
  for at in / /etc /usr /var /root /home /mnt /mnt/bin /opt; do
    [ -d "$at" ] || continue
    if "${locked[@]}" touch "$at/locked-down" 2>/dev/null; then fail "$at can be written to: this shows nothing"; fi
  done
  "${locked[@]}" touch /tmp/x /mnt/data/x || fail "/tmp and the data directory cannot be written to"

  "${locked[@]}" /mnt/bin/tolerancia up --data-dir /mnt/data/system --base-port "$port" --fault-injection on >/mnt/data/log 2>&1 &
  local up=$!
  # shellcheck disable=SC2064 # now, not then
  trap "kill $up 2>/dev/null || true; wait $up || true" EXIT
  local deadline=$((SECONDS + 120))
  until grep -q '^ready in' /mnt/data/log; do
    kill -0 "$up" 2>/dev/null || fail "the system did not start: $(tail -n 20 /mnt/data/log)"
    ((SECONDS < deadline)) || fail "the system is not ready within 120 s: $(tail -n 20 /mnt/data/log)"
    sleep 0.2
  done

  local pid count=0
  for pid in $(pgrep -f '^/mnt/bin/tolerancia|^tolerancia'); do
    [ "$(stat -c %u "/proc/$pid")" = "$user" ] || continue
    grep -q '^CapEff:[[:space:]]*0*$' "/proc/$pid/status" || fail "process $pid has capabilities"
    grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$pid/status" || fail "process $pid may gain privileges"
    count=$((count + 1))
  done
  ((count >= 8)) || fail "only $count processes of user $user"

  local n
  for n in 0 1 2 3 4 5 6; do wants '"status":"UP"' GET $((port + n)) /health; done
  wants CONFIRMED POST $((port + 5)) /orders '{"product_id":"PROD-001","quantity":3}'
  wants '"reserved":3' GET $((port + 4)) /inventory/PROD-001
  wants '"on":3' GET $((port + 3)) /status
  wants 200 GET $((port + 6)) /
  # What was saved is there after a crash: the process, its snapshot and its database begin anew.
  wants '"active"' PUT "$port" /fault '{"fault":"crash"}'
  wants '"on":2' GET $((port + 3)) /status
  wants '"on":3' GET $((port + 3)) /status
  wants '"reserved":' GET "$port" /inventory/PROD-001
  [ -n "$(ls /mnt/data/system)" ] || fail "nothing was saved"
  ! grep -i 'read-only file system\|permission denied' /mnt/data/log || fail "something wanted to write elsewhere: see above"
  kill "$up"
  wait "$up" || fail "the system did not end well: $(tail -n 20 /mnt/data/log)"
  trap - EXIT
  say "all services work as user $user without capabilities on a read-only file system ($count processes)"
}

# ---- outside --------------------------------------------------------------------------------------------------

case ${1:-} in
  --inside)
    inside "$2" "$3"
    exit
    ;;
  -h | --help)
    usage
    exit 0
    ;;
esac
binary=${1:-$here/../target/debug/tolerancia}
[ -x "$binary" ] || cannot "there is no program at $binary: cargo build -p tolerancia"
for tool in unshare setpriv; do
  command -v "$tool" >/dev/null || cannot "$tool is missing: apt-get install util-linux"
done
spaces=(unshare --mount --pid --fork --mount-proc --kill-child)
user=10001
if [ "$(id -u)" != 0 ]; then
  spaces+=(--user --map-root-user)
  user=0
fi
"${spaces[@]}" true 2>/dev/null || cannot "this kernel gives no namespaces to $(id -un): run it as root, outside of a container"
exec "${spaces[@]}" "$(readlink -f "${BASH_SOURCE[0]}")" --inside "$user" "$(readlink -f "$binary")"
