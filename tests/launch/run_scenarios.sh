#!/usr/bin/env bash
# The scenarios on a real Slurm: start a cluster, run them, print what each ended with, stop it. Arguments go to pytest.
# PAIRS scenarios at a time, each on two nodes of its own. Where namespaces are not allowed the nodes share one network.
set -euo pipefail
cd "$(dirname "$0")/../.."
export FOLDER=${FOLDER:-/tmp/mathcoder-scenarios} PAIRS=${PAIRS:-4} PORT=${PORT:-17100} NETWORK=${NETWORK:-namespaces}
reason=$(NETWORK=host tests/launch/cluster.sh missing)
if [ -n "$reason" ]; then
    echo "run_scenarios.sh: no cluster can be started here: $reason" >&2
    exit 3
fi

# What an earlier run has left, if it was killed, is stopped; one that is still there keeps its cluster.
exec 9>"$FOLDER.lock"
if ! flock --nonblock 9; then
    echo "run_scenarios.sh: another run has the cluster in $FOLDER; wait for it, or set FOLDER and PORT" >&2
    exit 3
fi
tests/launch/cluster.sh down 9>&-

results=$(mktemp -d)
trap 'tests/launch/cluster.sh down 9>&-; rm -rf "$results" "$FOLDER.lock"' EXIT
if ! tests/launch/cluster.sh up 9>&-; then
    echo "run_scenarios.sh: no network namespaces here: the nodes share this machine's network, and test_links.py is skipped" >&2
    tests/launch/cluster.sh down 9>&-
    export NETWORK=host
    tests/launch/cluster.sh up 9>&-
fi
# shellcheck disable=SC1091  # cluster.sh has written it
source "$FOLDER/env"
inside=()
if [ "$NETWORK" = namespaces ]; then inside=(nsenter --net=/run/netns/mathcoder-0); fi
# scenarios OUTCOMES ARGUMENTS…: run them and write what each ended with
scenarios() {
    OMP_NUM_THREADS=1 "${inside[@]}" .venv/bin/python -m pytest tests/launch -m slurm --dist worksteal --durations=5 \
        --junitxml="$results/$1" "${@:2}" 9>&-
}
status=0
scenarios outcomes.xml -n "$PAIRS" "$@" || status=$?
.venv/bin/python -m tests.launch.outcomes "$results/outcomes.xml"
if [ "$status" = 1 ]; then
    echo "run_scenarios.sh: what failed beside others on this machine, once more alone; a second failure counts" >&2
    status=0
    scenarios again.xml -n 1 --last-failed "$@" || status=$?
    .venv/bin/python -m tests.launch.outcomes "$results/again.xml"
fi
exit $status
