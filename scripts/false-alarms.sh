#!/usr/bin/env bash
# False alarms: the healthy system under load, with a process on every core that burns it for a while; then the
# recorded evidence, resampled, for the rate per instance and year. Exit code 0: no false alarm.
#
#   scripts/false-alarms.sh [--minutes N] [--burn N] [--out DIR] [--base-port N]
#
# --minutes    how long, default 30       --burn   minutes of it with all cores busy, in the middle, default 5
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=30 burn=5 out=results/false-alarms-$(date +%Y%m%dT%H%M%S) base=5001
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) minutes=${2:?} ;;
    --burn) burn=${2:?} ;;
    --out) out=${2:?} ;;
    --base-port) base=${2:?} ;;
    *) sed -n '2,8p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
if ! [[ $minutes =~ ^[0-9]+$ && $burn =~ ^[0-9]+$ ]] || ((burn >= minutes || minutes > 1440)); then
  echo "--minutes and --burn are whole minutes, and the burning is shorter than the rest" >&2
  exit 2
fi

cargo build --release --quiet
tolerancia=${CARGO_TARGET_DIR:-target}/release/tolerancia
mkdir -p "$out"
scenario=$out/long-baseline.toml
sed "s/^baseline_s = .*/baseline_s = $((minutes * 60)).0/" scenarios/long-baseline.toml >"$scenario"

# The burners are children of a subshell that ends them whatever happens.
(
  sleep $(((minutes - burn) * 30)) & pid=$!
  trap 'kill $pid $(jobs -p) 2>/dev/null' EXIT
  trap 'exit' TERM INT
  wait $pid
  echo "all cores busy for $burn min" >&2
  for _ in $(seq "$(nproc)"); do (while :; do :; done) & done
  sleep $((burn * 60)) & pid=$!
  wait $pid
  echo "all cores free again" >&2
) &
burner=$!
trap 'kill $burner 2>/dev/null || true; wait $burner 2>/dev/null || true' EXIT

code=0
"$tolerancia" experiment --scenario "$scenario" --record --base-port "$base" --out "$out" || code=$?
"$tolerancia" simulate --trace "$out/trace.ndjson"
exit "$code"
