#!/usr/bin/env bash
# Checks the dependencies against deny.toml with cargo-deny: licences, sources, bans, and known vulnerabilities.
#
#   scripts/deny.sh             all of it; the list of vulnerabilities is fetched from GitHub
#   scripts/deny.sh --offline   nothing is fetched: vulnerabilities by the list that was fetched last, if there is one
#
# 0: nothing found; 1: findings; 2: something could not be checked, and what to do about it.
# Without a network `cargo fetch --locked` must have run before, once: the licences are in the crates' own files.
#
# Environment:
#   CARGO_DENY   cargo-deny, by default the one on the PATH
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }
cannot() {
  printf 'deny.sh: %s\n' "$*" >&2
  exit 2
}

offline=()
case ${1:-} in
  "") ;;
  --offline) offline=(--offline) ;;
  -h | --help)
    usage
    exit 0
    ;;
  *) cannot "unknown argument $1: see --help" ;;
esac
[ $# -le 1 ] || cannot "too many arguments: see --help"

deny=${CARGO_DENY:-cargo-deny}
command -v "$deny" >/dev/null || cannot "cargo-deny is missing: cargo install cargo-deny --locked"

# The list of vulnerabilities is not needed for these, so they are checked also where it cannot be had.
"$deny" --locked "${offline[@]}" check licenses sources bans || exit 1

lists=${CARGO_HOME:-${HOME:-}/.cargo}/advisory-dbs
if [ ${#offline[@]} -gt 0 ]; then
  [ -n "$(ls -A "$lists" 2>/dev/null)" ] ||
    cannot "vulnerabilities are not checked: there is no list in $lists. Run scripts/deny.sh once with a network"
elif ! "$deny" fetch db; then
  cannot "vulnerabilities are not checked: the list cannot be fetched from GitHub (above). With one that was fetched before: --offline"
fi
"$deny" --locked "${offline[@]}" check advisories || exit 1
