#!/usr/bin/env bash
# Shows that each check of `tolerancia torture` can fail: builds the binary with planted bugs, runs the torture once for each
# bug, and fails where the check that is made for the bug does not report it.
#
#   scripts/broken-builds.sh [BUG…]     all of them, or these
#
# SECONDS_EACH (90) and SEED (1) say how long and what. TOLERANCIA_BIN is a binary with the feature planted-bugs; without it
# one is built (target/debug/tolerancia is such a binary afterwards: build again before you use it for anything else).
# BASE_PORT (5001) and TMPDIR as everywhere. Reports go to OUT (a temporary directory that is deleted if all are caught).
# Exit code: 0 all caught, 1 some not, 2 it could not be tried.
set -euo pipefail
cd "$(dirname "$0")/.."

# What is planted, and the checks one of which must report it.
expected() {
  case $1 in
    lost-order) echo no_order_lost ;;
    double-apply) echo none_applied_twice ;;
    oversell) echo never_oversold ;;
    half-cancel) echo cancel_undoes ;;
    minority-value) echo no_wrong_answer ;;
    stale-read) echo own_writes_read ;;
    lag-is-a-lie) echo no_false_accusation ;;
    skipped-event) echo replicas_equal ;;
    deaf-monitor) echo faults_detected ;;
    nervous-monitor) echo no_false_verdict ;;
    no-way-back) echo all_recovered ;;
    *) return 1 ;;
  esac
}
all=(lost-order double-apply oversell half-cancel minority-value stale-read lag-is-a-lie skipped-event deaf-monitor nervous-monitor no-way-back)

say() { printf '%s\n' "$*" >&2; }
cannot() {
  say "$0: $*"
  exit 2
}

bugs=("$@")
[ $# -gt 0 ] || bugs=("${all[@]}")
for bug in "${bugs[@]}"; do
  expected "$bug" >/dev/null || cannot "there is no bug $bug; there are: ${all[*]}"
done
command -v python3 >/dev/null || cannot "python3 is missing: it reads the reports"

binary=${TOLERANCIA_BIN:-}
out=${OUT:-$(mktemp -d)}
mkdir -p "$out" || cannot "$out cannot be made"
if [ -z "$binary" ]; then
  cargo build --locked -p tolerancia --features planted-bugs || cannot "the binary with the planted bugs could not be built"
  # A copy: the next build puts another in its place.
  binary=$out/tolerancia
  cp "${CARGO_TARGET_DIR:-target}/debug/tolerancia" "$binary"
fi

# reported FILE CHECK: whether that check has violations in this report; says what it and the others found.
reported() {
  python3 - "$1" "$2" <<'PYTHON'
import json, sys
with open(sys.argv[1]) as file:
    report = json.load(file)
found = {check["name"]: check for check in report["checks"] if check["violations"]}
if sys.argv[2] in found:
    print("    " + found[sys.argv[2]]["violations"][0]["what"])
print("    reported by: " + (", ".join(found) or "none"))
sys.exit(0 if sys.argv[2] in found else 1)
PYTHON
}

missed=0
for bug in "${bugs[@]}"; do
  check=$(expected "$bug")
  say "$bug: ${SECONDS_EACH:-90} s, seed ${SEED:-1}"
  status=0
  TOLERANCIA_PLANTED_BUG=$bug "$binary" torture --seconds "${SECONDS_EACH:-90}" --seed "${SEED:-1}" --json \
    --out "$out/$bug" >"$out/$bug.json" 2>"$out/$bug.log" || status=$?
  case $status in
    0 | 1) ;;
    *)
      tail -n 20 "$out/$bug.log" >&2
      cannot "$bug: the torture ended with exit code $status; the end of what it said is above"
      ;;
  esac
  if reported "$out/$bug.json" "$check"; then
    echo "caught  $bug, by $check"
  else
    echo "MISSED  $bug: $check reports nothing; see $out/$bug.json"
    missed=$((missed + 1))
  fi
done
if [ "$missed" -gt 0 ]; then
  echo "$missed of ${#bugs[@]} not caught; reports are in $out"
  exit 1
fi
[ -n "${OUT:-}" ] || rm -rf "$out"
echo "all ${#bugs[@]} caught"
