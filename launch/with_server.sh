#!/usr/bin/env bash
# A client while a server of MODEL is up, inside a job: with_server.sh MODEL CLIENT…     (translate.sbatch calls it)
# The server is a step on the job's first node, the client one on its last, which may be the same; the client gets --base-url.
# When one ends the other is ended. Status: the client's, or 1 if the server failed it.
set -euo pipefail
# shellcheck source=launch/cluster_env.sh
source "${CLUSTER_ENV:-launch/cluster_env.sh}"
model=$1
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
host=127.0.0.1
if [ "${#nodes[@]}" -gt 1 ]; then host=${MASTER_ADDR:-${nodes[0]}}; fi
port=${PORT:-$((20000 + SLURM_JOB_ID % 10000))}
url=http://$host:$port/v1

step() { exec srun --overlap --nodes=1 --ntasks=1 --nodelist="$1" "${SRUN_OPTIONS[@]}" "${IN_CONTAINER[@]}" "${@:2}"; }
fail() {
    echo "with_server.sh: ${LLM_SERVER[*]} $model $1" >&2
    exit 1
}
answers() {
    "$HOST_PYTHON" -c "import http.client as h; c = h.HTTPConnection('$host', $port, 10); c.request('GET', '/v1/models')
exit(c.getresponse().status == 503)" 2>/dev/null # 503: still loading
}

trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
in_image "$LLM_IMAGE"
step "${nodes[0]}" "${LLM_SERVER[@]}" "$model" --host "$host" --port "$port" &
server=$!
until answers; do
    kill -0 $server 2>/dev/null || fail "ended before it answered at $url; its own words are above"
    [ "$SECONDS" -lt "$SERVER_SECONDS" ] || fail "did not answer at $url within $SERVER_SECONDS s (SERVER_SECONDS)"
    sleep 1
done
in_image "$IMAGE"
step "${nodes[-1]}" "${@:2}" --base-url "$url" &
client=$!
wait -n $server $client || true
if kill -0 $client 2>/dev/null; then fail "ended before its client; what it answered is kept"; fi
wait $client
