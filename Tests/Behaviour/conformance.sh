#!/usr/bin/env bash
# Runs the Autobahn suite, cases 1 to 7, 9 and 10 unless told otherwise, against /echo on both backends, and prints the counts.
#
#   Tests/Behaviour/conformance.sh [CASE...]
#
#   CLARION_BIN   the program, default .build/release/clarion
#   SHARED        where the suite's scripts are (SHARED/autobahn), default ../shared beside the repository
#   WORKERS       worker threads of the node, default 2
#   EXCLUDE       cases to leave out, default those of permessage-deflate, which take minutes
#
# Exits with 1 when a case failed. The last line is `N passed, M failed`, cases of both backends together.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
suite=${SHARED:-$repository/../shared}/autobahn
program=${CLARION_BIN:-$repository/.build/release/clarion}
export AUTOBAHN=$repository/.autobahn EXCLUDE=${EXCLUDE:-'12.* 13.*'}
if [[ ! -x $suite/install.sh && ! -f $suite/install.sh ]]; then
  echo "there is no $suite: name its parent folder in SHARED" >&2
  exit 3
fi
bash "$suite/install.sh" "$AUTOBAHN" >/dev/null

passed=0 failed=0
for backend in uring epoll; do
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  out=$repository/out/autobahn-$backend
  mkdir -p "$out"
  "$program" start --host 127.0.0.1 --port "$port" --backend "$backend" --workers "${WORKERS:-2}" --echo --log-format json \
    >"$out/node.log" 2>&1 &
  node=$!
  trap 'kill "$node" 2>/dev/null || true' EXIT
  for _ in $(seq 200); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.05
  done
  echo "--- $backend"
  OUT=$out bash "$suite/run.sh" "ws://127.0.0.1:$port/echo" "$@" | tee "$out/summary.txt" || true
  kill -TERM "$node"
  if ! wait "$node"; then
    echo "FAILED the node on $backend did not leave with status 0"
    failed=$((failed + 1))
  fi
  trap - EXIT
  counts=$(tail -n 1 "$out/summary.txt")
  if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ non-strict,\ ([0-9]+)\ informational ]]; then
    passed=$((passed + BASH_REMATCH[1] + BASH_REMATCH[3] + BASH_REMATCH[4]))
    failed=$((failed + BASH_REMATCH[2]))
  else
    echo "FAILED the suite on $backend came to no end"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
