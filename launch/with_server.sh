#!/usr/bin/env bash
# Run a command while a server of MODEL is up on this node: with_server.sh MODEL GPUS COMMAND…
# SERVER names another program than vllm; it gets vllm's arguments. PORT names another port than 8000.
set -euo pipefail
model=$1 gpus=$2 port=${PORT:-8000}
shift 2
${SERVER:-vllm} serve "$model" --tensor-parallel-size "$gpus" --host 127.0.0.1 --port "$port" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
until python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health')" 2>/dev/null; do
    kill -0 $server 2>/dev/null || { echo "with_server.sh: ${SERVER:-vllm} ended before it answered" >&2; exit 1; }
    sleep 1
done
"$@"
