#!/bin/bash
# healthcheck PORT: succeeds if the service that listens on PORT in this container says that it works (200).
#
# With what the image has anyway: bash can open a connection, so there is neither curl nor a tool of our own in it.
# UP and DEGRADED are 200, CATCHING_UP and DOWN are 503.
set -euo pipefail

port=${1:?usage: healthcheck PORT}
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
# A process that hangs takes connections all the same and never answers.
if ! read -r -t 3 _ status _ <&3; then
  echo "port $port: no answer within 3 s"
  exit 1
fi
echo "port $port: HTTP $status"
[ "$status" = 200 ]
