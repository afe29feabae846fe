# shellcheck shell=bash
# What scripts/kafka.sh and scripts/postgres.sh share. To be sourced, under `set -euo pipefail`. Linux (reads /proc).

# Messages go to stderr: stdout belongs to the `export …` lines.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# need TOOL HINT
need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }

# is_number TEXT MIN MAX
is_number() { [[ $1 =~ ^[0-9]{1,6}$ ]] && ((10#$1 >= $2 && 10#$1 <= $3)); }

# 32 hexadecimal digits.
random() { head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

cache_home() {
  if [ -n "${XDG_CACHE_HOME:-}" ]; then
    echo "$XDG_CACHE_HOME"
  else
    echo "${HOME:?is not set: set XDG_CACHE_HOME to a folder for caches}/.cache"
  fi
}

# Where what was fetched is kept.
fetched() {
  local cache=${TOLERANCIA_CACHE:-}
  [ -n "$cache" ] || cache=$(cache_home)/tolerancia
  [[ $cache == /* ]] || cache=$PWD/$cache
  echo "$cache"
}

# listens PORT: whether something on loopback accepts connections there.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# runs PID TEXT: whether that process lives and has TEXT among its arguments. A number from a stale pid file may
# be anybody's by now.
runs() { [ -n "$1" ] && grep -qzxF -- "$2" "/proc/$1/cmdline" 2>/dev/null; }

# gone PID TEXT TENTHS: waits until that process has ended, at most so many tenths of a second.
gone() {
  local i
  for ((i = 0; i < $3; i++)); do
    runs "$1" "$2" || return 0
    sleep 0.1
  done
  ! runs "$1" "$2"
}

# A state directory is ours if our lock file is in it; one that is absent or empty can become so. Anything else was put
# there by someone else, and `stop` deletes.
# owned DIR LOCK
owned() { [ ! -e "$1" ] || [ -e "$1/$2" ] || { [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; }; }

# lock DIR LOCK SECONDS: one script at a time per DIR, until this one ends, through file descriptor 9. Whatever is
# started to stay must close it (`9>&-`). DIR and its lock may vanish while we wait (`stop`): then again.
lock() {
  local deadline=$((SECONDS + $3))
  while :; do
    mkdir -p "$1" || die "$1 cannot be created"
    exec 9>>"$1/$2" || die "$1/$2 cannot be written"
    flock -w $((deadline > SECONDS ? deadline - SECONDS : 0)) 9 || die "another ${0##*/} is at work in $1: try again later"
    [ "$1/$2" -ef "/proc/$BASHPID/fd/9" ] && return 0
    exec 9>&-
  done
}

# locked DIR LOCK: whether this script has the lock, or nobody has and it can be had.
locked() { [ "$1/$2" -ef "/proc/$BASHPID/fd/9" ] && flock -n 9; }

# throw_away_certificate DIR NAME: a CA that lives for this server only (DIR/ca.pem; its key is deleted), and by it a
# certificate for 127.0.0.1 and localhost (DIR/NAME.crt, DIR/NAME.key).
throw_away_certificate() {
  local at=$1 name=$2
  mkdir -p "$at"
  {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=tolerancia throw-away CA" \
      -keyout "$at/ca.key" -out "$at/ca.pem" &&
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
        -keyout "$at/$name.key" -out "$at/$name.csr" &&
      openssl x509 -req -in "$at/$name.csr" -CA "$at/ca.pem" -CAkey "$at/ca.key" -CAcreateserial -days 30 \
        -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$at/$name.crt"
  } >"$at/log" 2>&1 || die "openssl: $(tail -3 "$at/log")"
  rm -f "$at/ca.key" "$at/ca.srl" "$at/$name.csr"
}
