#!/usr/bin/env bash
# What redundancy costs, from one run: direct and voted queries per second, their ratio, voted latency at 50/s,
# confirmed orders per second, memory. Needs wrk, curl and python3 (Debian: apt-get install wrk curl python3).
#
#   scripts/bench.sh [SECONDS_PER_MEASUREMENT]      default 10
#
# Two shared cores are noisy: only the ratio, taken from alternating measurements within one run, compares.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in wrk curl python3; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install wrk curl python3" >&2; exit 2; }
done
seconds=${1:-10}
base=${BASE_PORT:-15001}
connections=${CONNECTIONS:-32}

cargo build --release --quiet
tolerancia=${CARGO_TARGET_DIR:-target}/release/tolerancia
work=$(mktemp -d)
# A catalogue that no benchmark empties.
CATALOGUE="PROD-001=1000000000,PROD-002=1000000000,PROD-003=1000000000" \
  "$tolerancia" up --base-port "$base" --data-dir "$work/data" >"$work/log" 2>&1 &
up=$!
finish() { kill "$up" 2>/dev/null || true; wait "$up" 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT

replica=http://127.0.0.1:$base monitor=http://127.0.0.1:$((base + 3))
voter=http://127.0.0.1:$((base + 4)) orders=http://127.0.0.1:$((base + 5))
for _ in $(seq 300); do
  curl -sf "$voter/inventory/PROD-001" >/dev/null && curl -sf "$orders/health" >/dev/null \
    && curl -sf "$monitor/health" >/dev/null && ready=1 && break
  kill -0 "$up" 2>/dev/null || { cat "$work/log" >&2; exit 2; }
  sleep 0.2
done
[ -n "${ready:-}" ] || { echo "the system did not get ready; its log:" >&2; cat "$work/log" >&2; exit 2; }

echo "memory, idle (RSS, MiB):"
for pid in $(pgrep -P "$up"); do
  # The subcommand.
  name=$(tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n 2p)
  instance=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^INSTANCE_ID=//p')
  printf '  %-18s %5.1f\n' "$name $instance" "$(awk '/^VmRSS/ {print $2 / 1024}' "/proc/$pid/status")"
done

# An error is no throughput.
rate() {
  wrk -t1 -c"$connections" -d"${seconds}s" "$1" >"$work/wrk"
  if grep -E 'Non-2xx|Socket errors' "$work/wrk" >&2; then
    echo "errors from $1: the figures would be wrong" >&2
    return 1
  fi
  awk '/^Requests\/sec/ {print $2}' "$work/wrk"
}
wrk -t1 -c"$connections" -d2s "$voter/inventory/PROD-001" >/dev/null
direct=() voted=()
for _ in 1 2 3; do
  d=$(rate "$replica/inventory/PROD-001")
  v=$(rate "$voter/inventory/PROD-001")
  direct+=("$d") voted+=("$v")
done
python3 - "${direct[*]}" "${voted[*]}" <<'PY'
import statistics, sys
direct, voted = ([float(x) for x in a.split()] for a in sys.argv[1:3])
print(f"direct queries/s of one replica: {statistics.median(direct):.0f}  (runs: {' '.join(f'{x:.0f}' for x in direct)})")
print(f"voted queries/s:                 {statistics.median(voted):.0f}  (runs: {' '.join(f'{x:.0f}' for x in voted)})")
print(f"ratio voted/direct:              {statistics.median(v / d for d, v in zip(direct, voted)):.3f}")
PY

"$tolerancia" load query_inventory --rps 50 --duration "$seconds" --json --voter-url "$voter" --orders-url "$orders" \
  --monitor-url "$monitor" >"$work/voted.json" 2>/dev/null
cat >"$work/orders.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, "/orders", nil, string.format('{"product_id":"PROD-00%d","quantity":1}', n % 3 + 1))
end
local threads = {}
setup = function(thread) table.insert(threads, thread) end
init = function() confirmed = 0 end
response = function(status) if status == 201 then confirmed = confirmed + 1 end end
done = function(summary, latency)
  local sum = 0
  for _, thread in ipairs(threads) do sum = sum + thread:get("confirmed") end
  print(string.format("confirmed %.0f %.1f %d", sum / (summary.duration / 1e6), latency:percentile(99) / 1000,
    summary.requests - sum + summary.errors.timeout + summary.errors.connect))
end
LUA
confirmed=$(wrk -t1 -c64 -d"${seconds}s" -s "$work/orders.lua" "$orders/orders" | awk '/^confirmed/ {print $2, $3, $4}')
# shellcheck disable=SC2086 # three numbers
python3 - "$work/voted.json" $confirmed <<'PY'
import json, sys
kinds = json.load(open(sys.argv[1]))
def find(node, key):
    if isinstance(node, dict):
        if key in node: return node[key]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            found = find(item, key)
            if found is not None: return found
print(f"voted latency at 50/s:           p50 {find(kinds, 'p50'):.2f} ms, p99 {find(kinds, 'p99'):.2f} ms")
print(f"                                 failed: {sum((find(kinds, 'failed') or {}).values())}")
print(f"confirmed orders/s:              {sys.argv[2]}, p99 {sys.argv[3]} ms, not confirmed: {sys.argv[4]} (64 in flight, closed loop)")
PY
