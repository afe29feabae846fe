#!/usr/bin/env bash
# Load on a running system with Apache JMeter: orders, voted queries and the monitor, each answer checked.
#
#   tolerancia up                                the system, in another terminal
#   jmeter/run_test.sh --duration 15
#   jmeter/run_test.sh [OPTION VALUE]... [-- ARGUMENT...]      each ARGUMENT goes to JMeter as it is
#
#   option            variable         default     meaning
#   --host            TARGET_HOST      127.0.0.1   where the system is
#   --base-port       BASE_PORT        5001        its first port, as of `tolerancia up`
#   --replicas        REPLICAS         3           how many replicas it has: 3, 5 or 7
#   --duration        DURATION         60          seconds of load
#   --ramp            RAMP             2           seconds until all users have started
#   --users-orders    USERS_ORDERS     5           users (threads) that order and cancel; 0 leaves them out
#   --users-queries   USERS_QUERIES    5           users that query stock through the voter
#   --users-status    USERS_STATUS     1           users that watch the monitor
#   --rate-orders     RATE_ORDERS      5           orders per second, all users together
#   --rate-queries    RATE_QUERIES     30          queries per second
#   --rate-status     RATE_STATUS      2           looks at the monitor per second
#   --think           THINK            200         milliseconds between an order and its cancel
#   --quantity        QUANTITY         5           units of an order: 1 to this many, at random
#   --products        PRODUCTS                     A,B,C instead of those in products.csv
#   --out                              results/jmeter-TIME beside the README; must not exist
#
# Into --out go samples.csv (each sample), report/index.html (tables and graphs), jmeter.log and, if samples failed,
# failures.xml (what was wrong with each of them, and the answer).
#
# Exit code: 0 no sample failed; 1 samples failed; 2 the test could not be carried out; 130 interrupted.
#
# JMeter is the one in JMETER_HOME, else `jmeter` on the PATH if it is 5.0 or newer, else one that is fetched once
# (70 MB, Maven Central) into TOLERANCIA_CACHE (${XDG_CACHE_HOME:-$HOME/.cache}/tolerancia). That needs Java 8 or
# newer (17 is tested) and Maven. HEAP is its memory (-Xms64m -Xmx256m), JVM_ARGS are more arguments for Java.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=../scripts/lib.sh disable=SC1091 # not followed without -x
. "$here/../scripts/lib.sh"
# shellcheck source=jmeter.sh disable=SC1091
. "$here/jmeter.sh"

# Also for lib.sh: 1 means that samples failed.
die() {
  say "$*"
  exit 2
}

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

# number OPTION VALUE MIN MAX
number() {
  # Without leading zeros, which arithmetic would take for octal.
  if [[ ! $2 =~ ^(0|[1-9][0-9]*)$ ]] || ! is_number "$2" "$3" "$4"; then
    die "--$1 $2 is not a whole number from $3 to $4"
  fi
}
# rate KIND VALUE
rate() {
  [[ $2 =~ ^[0-9]{1,4}(\.[0-9]{1,3})?$ && $2 =~ [1-9] ]] || die "--rate-$1 $2 is not a number above 0, such as 10 or 0.5"
}

# ---- settings -------------------------------------------------------------------------------------------------

read_settings() {
  local option
  host=${TARGET_HOST:-127.0.0.1} base_port=${BASE_PORT:-5001} replicas=${REPLICAS:-3}
  duration=${DURATION:-60} ramp=${RAMP:-2} think=${THINK:-200} quantity=${QUANTITY:-5} products=${PRODUCTS:-}
  users_orders=${USERS_ORDERS:-5} users_queries=${USERS_QUERIES:-5} users_status=${USERS_STATUS:-1}
  rate_orders=${RATE_ORDERS:-5} rate_queries=${RATE_QUERIES:-30} rate_status=${RATE_STATUS:-2}
  out='' extra=()
  while (($#)); do
    option=$1
    case $option in
      -h | --help)
        usage
        exit 0
        ;;
      --host | --base-port | --replicas | --duration | --ramp | --think | --quantity | --products | --out | \
        --users-orders | --users-queries | --users-status | --rate-orders | --rate-queries | --rate-status)
        (($# > 1)) || die "$option wants a value"
        option=${option#--}
        printf -v "${option//-/_}" %s "$2"
        shift 2
        ;;
      --)
        extra=("${@:2}")
        break
        ;;
      *) die "$option is no option: ${0##*/} --help lists them" ;;
    esac
  done
  [[ $host =~ ^[A-Za-z0-9.-]+$ ]] || die "--host '$host' is not the name or the IPv4 address of a host"
  [[ $replicas =~ ^[357]$ ]] || die "--replicas $replicas is not 3, 5 or 7"
  number base-port "$base_port" 1 65525
  number duration "$duration" 1 604800
  number ramp "$ramp" 0 86400
  number think "$think" 0 60000
  number quantity "$quantity" 1 999999
  number users-orders "$users_orders" 0 1000
  number users-queries "$users_queries" 0 1000
  number users-status "$users_status" 0 1000
  ((users_orders + users_queries + users_status > 0)) || die "there are no users at all"
  rate orders "$rate_orders"
  rate queries "$rate_queries"
  rate status "$rate_status"
  [[ ! $products || $products =~ ^[A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*$ ]] || die "--products $products is not like PROD-001,PROD-002"
  [ -n "$out" ] || out=$(dirname "$here")/results/jmeter-$(date -u +%Y%m%d-%H%M%S)
  [[ $out == /* ]] || out=$PWD/$out
  [ ! -e "$out" ] || die "$out exists, and nothing is overwritten: choose another --out"
}

# ---- the system -----------------------------------------------------------------------------------------------

# health PORT: the answer to GET /health, empty if there is none.
health() {
  # shellcheck disable=SC2016 # for the inner shell, which is there so that it can be timed out
  timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "GET /health HTTP/1.0\r\nHost: %s\r\n\r\n" "$1" >&3 && cat <&3' \
    health "$host" "$1" 2>/dev/null | tr -d '\0\r' || true
}

# ready SERVICE PORT
ready() {
  local answer
  answer=$(health "$2")
  [ -n "$answer" ] || die "nothing answers on $host:$2, where $1 should be. Start the system first: tolerancia up$up_flags"
  [[ $answer == *"\"service\":\"$1\""* ]] || die "$host:$2 is not $1: do --base-port and --replicas fit the system?"
  [[ $answer == HTTP/1.?\ 200\ * ]] || die "$1 on $host:$2 is not ready: ${answer##*$'\n'}"
}

check_system() {
  monitor_port=$((base_port + replicas)) voter_port=$((base_port + replicas + 1)) orders_port=$((base_port + replicas + 2))
  up_flags=''
  ((base_port == 5001)) || up_flags+=" --base-port $base_port"
  ((replicas == 3)) || up_flags+=" --replicas $replicas"
  ready monitor-svc "$monitor_port"
  ready voter-svc "$voter_port"
  ready orders-svc "$orders_port"
}

# ---- the test -------------------------------------------------------------------------------------------------

child='' progress='' scratch='' begun='' finished=''

# end PID: ends that child, if there is one.
end() {
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# Also after a signal: nothing goes on running, and no half result is left.
cleanup() {
  local i
  trap '' INT TERM HUP
  if [ -n "$child" ]; then
    # A group, because `jmeter` may be a script whose child is Java.
    kill -TERM -- "-$child" 2>/dev/null || true
    for ((i = 0; i < 50; i++)); do
      kill -0 -- "-$child" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL -- "-$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  end "$progress"
  end "$maven"
  [ -z "$staging" ] || rm -rf "$staging"
  [ -z "$scratch" ] || rm -rf "$scratch"
  [ -z "$begun" ] || [ -n "$finished" ] || rm -rf "$out"
}

run_jmeter() {
  local settings status=0
  mkdir -p "$(dirname "$out")" || die "$(dirname "$out") cannot be created"
  mkdir "$out" || die "choose another --out"
  begun=yes
  settings=(
    "-Jhost=$host" "-Jbase_port=$base_port" "-Jreplicas=$replicas"
    "-Jduration=$duration" "-Jramp=$ramp" "-Jthink=$think" "-Jquantity.max=$quantity"
    "-Jusers.orders=$users_orders" "-Jusers.queries=$users_queries" "-Jusers.status=$users_status"
    "-Jrate.orders=$rate_orders" "-Jrate.queries=$rate_queries" "-Jrate.status=$rate_status"
    "-Jfailures=$out/failures.xml"
    # What the summary below reads, whatever a JMeter of one's own is set to.
    -Jjmeter.save.saveservice.output_format=csv -Jjmeter.save.saveservice.print_field_names=true
    '-Jjmeter.save.saveservice.default_delimiter=,'
    # Graphs with a point per second, or at most 600 points.
    "-Jjmeter.reportgenerator.overall_granularity=$((1000 * (duration / 600 + 1)))"
    "-Jjmeter.reportgenerator.report_title=tolerancia" "-Jjmeter.reportgenerator.temp_dir=$scratch/report"
    # No port that takes orders to stop.
    -Jjmeterengine.nongui.port=0
    -Jsummariser.interval=10
  )
  if [ -n "$products" ]; then
    tr , '\n' <<<"$products" >"$out/products.csv"
    settings+=("-Jproducts=$out/products.csv")
  fi
  say "$duration s of load on $host:$base_port; Ctrl-C ends it without a result"
  : >"$out/jmeter.out"
  # A process group of its own: Ctrl-C comes here first, and all of it can be ended at once.
  set -m
  "${jmeter[@]}" -n -t "$here/experiment_test_plan.jmx" -l "$out/samples.csv" -j "$out/jmeter.log" -e -o "$out/report" \
    "${settings[@]}" ${extra[@]+"${extra[@]}"} >"$out/jmeter.out" 2>&1 </dev/null &
  child=$!
  set +m
  tail -n +1 -f --pid="$child" "$out/jmeter.out" > >(grep --line-buffered '^summary +' >&2) 2>/dev/null &
  progress=$!
  wait "$child" || status=$?
  child=''
  end "$progress"
  progress=''
  if ((status)) || [ ! -s "$out/samples.csv" ] || [ ! -s "$out/report/index.html" ] || [ ! -s "$out/report/statistics.json" ]; then
    tail -n 20 "$out/jmeter.out" >&2
    grep -h ' ERROR ' "$out/jmeter.log" >&2 | tail -n 5 || true
    die "JMeter could not carry out the test (its exit code was $status)"
  fi
  rm -f "$out/jmeter.out"
  finished=yes
}

# ---- the result -----------------------------------------------------------------------------------------------

# Labels of the requests that must have been made.
kinds() {
  if ((users_orders)); then printf '%s\n' 'POST /orders' 'POST /orders/{id}/cancel'; fi
  if ((users_queries)); then printf '%s\n' 'GET /inventory/{product}' 'GET /inventory'; fi
  if ((users_status)); then printf '%s\n' 'GET /status'; fi
}

# samples.csv as label, milliseconds, success and start, separated by tabs. A quoted field may have commas, doubled
# quotes and line ends in it.
samples() {
  awk '
    function odd(text) { return gsub(/"/, "&", text) % 2 }
    function fields(line, field,    part, parts, i, n, text) {
      if (line !~ /"/) return split(line, field, ",")
      parts = split(line, part, ",")
      for (i = 1; i <= parts; i++) {
        text = part[i]
        while (odd(text) && i < parts) text = text "," part[++i]
        if (text ~ /^".*"$/) text = substr(text, 2, length(text) - 2)
        gsub(/""/, "\"", text)
        field[++n] = text
      }
      return n
    }
    { line = open == "" ? $0 : open "\n" $0; open = "" }
    odd(line) { open = line; next }
    { n = fields(line, field) }
    !header { for (i = 1; i <= n; i++) at[field[i]] = i; header = n; next }
    n == header { print field[at["label"]] "\t" field[at["elapsed"]] "\t" field[at["success"]] "\t" field[at["timeStamp"]] }
  ' "$out/samples.csv"
}

# The table. Exit code: 0 all is well, 1 samples failed, 2 a kind of request has no sample.
table() {
  samples | sort -t "$(printf '\t')" -k1,1 -k2,2n | KINDS=$(kinds) awk -F '\t' '
    function percentile(p,    i) { i = p * n; i = i > int(i) ? int(i) + 1 : int(i); return ms[i < 1 ? 1 : i] }
    function flush() {
      if (!n) return
      if (!(label in known)) order[++kinds] = label
      row[label] = sprintf("%8d %9d %s %8d %8d %8d %8d", n, failed, "%9.1f", percentile(.5), percentile(.95), percentile(.99), ms[n])
      count[label] = n; all += n; bad += failed
      n = failed = 0
    }
    BEGIN { kinds = split(ENVIRON["KINDS"], order, "\n"); for (i = 1; i <= kinds; i++) known[order[i]] }
    $1 != label { flush(); label = $1 }
    {
      ms[++n] = $2; failed += $3 != "true"
      if (first == "" || $4 < first) first = $4
      if ($4 + $2 > last) last = $4 + $2
    }
    END {
      flush()
      seconds = (last - first) / 1000
      if (seconds <= 0) seconds = 1
      printf "%-26s %8s %9s %9s %8s %8s %8s %8s\n", "times in ms", "samples", "failed", "per s", "median", "p95", "p99", "max"
      for (i = 1; i <= kinds; i++) {
        label = order[i]
        if (label in row) printf "%-26s " row[label] "\n", label, count[label] / seconds
        else { printf "%-26s %8d\n", label, 0; missing = 1 }
      }
      printf "%-26s %8d %9d %9.1f\n", "all", all, bad, all / seconds
      exit bad ? 1 : missing ? 2 : 0
    }'
}

# The failures in words, the first five sorts: how often, what was asked, what came, the first check that failed, and
# the first such answer.
failures() {
  awk '
    function plain(text) {
      gsub(/&quot;/, "\"", text); gsub(/&apos;/, "\047", text); gsub(/&#xd;/, "", text)
      gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&amp;/, "\\&", text)
      return length(text) > 400 ? substr(text, 1, 400) "..." : text
    }
    function attribute(name,    from) {
      from = length(name) + 3
      return match($0, " " name "=\"[^\"]*\"") ? plain(substr($0, RSTART + from, RLENGTH - from - 1)) : ""
    }
    function element() { sub(/^[^>]*>/, ""); sub(/<\/[A-Za-z.]*>$/, ""); return plain($0) }
    /^<httpSample / { request = attribute("lb") ": " attribute("rc") " " attribute("rm"); check = message = answer = "" }
    /^    <name>/ { name = element() }
    /^    <(failure|error)>true</ { wrong = name }
    /^    <failureMessage>/ { if (wrong != "" && check == "") { check = wrong; message = element() } wrong = "" }
    /^  <responseData / { answer = element() }
    /^<\/httpSample>/ {
      sort = request "\n" check
      if (!times[sort]++) { first[++sorts] = sort; text[sort] = (check == "" ? "" : "\n      " check ": " message) (answer == "" ? "" : "\n      answer: " answer) }
      asked[sort] = request
    }
    END { for (i = 1; i <= sorts && i <= 5; i++) print "  " times[first[i]] " x " asked[first[i]] text[first[i]] }
  ' "$out/failures.xml"
}

report() {
  local status=0
  table || status=$?
  case $status in
    0)
      say "no sample failed"
      rm -f "$out/failures.xml"
      ;;
    1)
      say "samples failed (each is in $out/failures.xml):"
      failures >&2
      ;;
    *) say "there was no request of at least one kind: let it run for longer, or at a higher rate" ;;
  esac
  say "report: $out/report/index.html"
  return "$status"
}

read_settings "$@"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
check_system
scratch=$(mktemp -d)
find_jmeter
run_jmeter
report
