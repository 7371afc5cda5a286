#!/usr/bin/env bash
# A Slurm cluster on this machine: two nodes, each a slurmd, or PAIRS times two. Needs root and Debian's slurmctld, slurmd,
# slurm-client and munge. It touches nothing outside FOLDER (default /tmp/mathcoder-slurm).
#
#   tests/launch/cluster.sh up       start it; then: source FOLDER/env
#   tests/launch/cluster.sh down     cancel its jobs and stop it
#   tests/launch/cluster.sh missing  print what keeps it from starting here, if anything does
#
# Pair k has the nodes n(2k-1) and n(2k), a partition low-k, and high-k, which preempts it.
# NETWORK=namespaces gives the controller and each node a network namespace of its own (namespaces.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${FOLDER:-/tmp/mathcoder-slurm}
pairs=${PAIRS:-1}
network=${NETWORK:-host}
port=${PORT:-17000}
nodes=$((2 * pairs))
# shellcheck source=tests/launch/namespaces.sh
source "$here/namespaces.sh"

on() { # on NUMBER COMMAND…: where the controller (0) or a node is
    if [ "$network" = namespaces ]; then in_namespace "$@"; else "${@:2}"; fi
}

address() { if [ "$network" = namespaces ]; then management_address "$1"; else echo 127.0.0.1; fi; }

missing() {
    local command
    if [ "$(id -u)" != 0 ]; then echo "starting Slurm's daemons needs root"; fi
    for command in slurmctld slurmd munged sbatch; do
        if ! command -v "$command" >/dev/null; then echo "$command is not installed (apt-get install slurmctld slurmd slurm-client munge)"; fi
    done
}

write_configuration() {
    mkdir -p "$folder"/{state,spool,log}
    mkdir -m 700 "$folder/munge"
    (umask 077; head -c 1024 /dev/urandom >"$folder/munge/key")
    sed -e "s|@FOLDER@|$folder|" -e "s|@CONTROLLER@|$(hostname -s)($(address 0))|" -e "s|@PORT@|$port|" "$here/slurm.conf" >"$folder/slurm.conf"
    local node pair default=YES
    for ((node = 1; node <= nodes; node++)); do
        echo "NodeName=n$node NodeHostname=$(hostname -s) NodeAddr=$(address "$node") Port=$((port + 1 + node)) CPUs=8 RealMemory=8000"
    done >>"$folder/slurm.conf"
    for ((pair = 1; pair <= pairs; pair++)); do
        local members="Nodes=n[$((2 * pair - 1))-$((2 * pair))] MaxTime=60"
        echo "PartitionName=low-$pair $members Default=$default PriorityTier=1 PreemptMode=REQUEUE GraceTime=20"
        echo "PartitionName=high-$pair $members PriorityTier=10 PreemptMode=OFF"
        default=NO
    done >>"$folder/slurm.conf"
    echo "export SLURM_CONF=$folder/slurm.conf" >"$folder/env"
    sed -e "s|@PYTHON@|$(dirname "$(dirname "$here")")/.venv/bin/python|" "$here/cluster_env.$network.sh" >"$folder/cluster_env.sh"
}

up() {
    if [ -e "$folder" ]; then
        echo "cluster.sh: $folder is in use; run: $0 down" >&2
        exit 1
    fi
    if [ "$network" = namespaces ]; then
        if ! may_have_namespaces; then
            echo "cluster.sh: the cluster in $(cat "$owner") has the network namespaces; stop it first" >&2
            exit 1
        fi
        remove_namespaces
        make_namespaces "$nodes"
        echo "$folder" >"$owner"
    fi
    write_configuration
    export SLURM_CONF=$folder/slurm.conf
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
        --log-file="$folder/log/munged" --seed-file="$folder/munge/seed"
    on 0 slurmctld
    local node
    for ((node = 1; node <= nodes; node++)); do on "$node" slurmd -N "n$node"; done
    for _ in {1..150}; do
        if [ "$(on 0 sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | sort -u | wc -l)" = "$nodes" ]; then
            echo "$nodes nodes are idle; next: source $folder/env"
            return
        fi
        sleep 0.2
    done
    echo "cluster.sh: the nodes did not come up; see $folder/log" >&2
    exit 1
}

down() {
    if [ -d "$folder" ]; then
        export SLURM_CONF=$folder/slurm.conf
        timeout 30 "$0" cancel || true
        local pidfile
        for pidfile in "$folder"/state/slurmd.*.pid "$folder"/state/slurmctld.pid "$folder"/munge/pid; do
            if [ -f "$pidfile" ]; then end "$(cat "$pidfile")"; fi
        done
        sleep 1
    fi
    if [ "$network" = namespaces ] && may_have_namespaces; then remove_namespaces; fi
    rm -rf "$folder"
}

end() { # end a daemon, unless it has gone and its number belongs to another process
    case $(cat "/proc/$1/comm" 2>/dev/null) in slurmd | slurmctld | munged) kill "$1" || true ;; esac
}

cancel() { # at once: KillWait is for jobs that shall save
    on 0 scancel --full --signal=KILL --user="$(id -un)" || true
    on 0 scancel --user="$(id -un)"
    while [ -n "$(on 0 squeue --noheader)" ]; do sleep 0.2; done
}

case ${1:-} in
    up | down | missing | cancel) "$1" ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
