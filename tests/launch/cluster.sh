#!/usr/bin/env bash
# A Slurm cluster on this machine: two nodes, or PAIRS times two, each pair with a partition low and a partition high that
# preempts it. Needs root and Debian's slurmctld slurmd slurm-client munge. Touches nothing outside its folder.
#
#   tests/launch/cluster.sh up      start it; then: source FOLDER/env
#   tests/launch/cluster.sh down    stop it
#
# FOLDER (default /tmp/mathcoder-slurm) holds configuration, keys, logs and state.
# NETWORK=namespaces puts the controller and each node into a network namespace of its own (namespaces.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${FOLDER:-/tmp/mathcoder-slurm}
pairs=${PAIRS:-1}
network=${NETWORK:-host}
port=${PORT:-17000}
nodes=$((2 * pairs))

# shellcheck source=tests/launch/namespaces.sh
source "$here/namespaces.sh"

on() { # on NAME COMMAND…: run a command where the controller (0) or node NAME is
    local name=$1
    shift
    if [ "$network" = namespaces ]; then ip netns exec "$(namespace_of "$name")" "$@"; else "$@"; fi
}

address_of() { if [ "$network" = namespaces ]; then management_address "$1"; else echo 127.0.0.1; fi; }

write_configuration() {
    mkdir -p "$folder"/{state,spool,log,munge}
    chmod 700 "$folder/munge"
    [ -f "$folder/munge/key" ] || dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
    chmod 400 "$folder/munge/key"
    FOLDER=$folder HOST=$(hostname) CONTROLLER=$(address_of 0) PORT=$port envsubst_ <"$here/slurm.conf" >"$folder/slurm.conf"
    local node pair
    for ((node = 1; node <= nodes; node++)); do
        echo "NodeName=n$node NodeHostname=$(hostname) NodeAddr=$(address_of "$node") Port=$((port + 1 + node)) CPUs=8 RealMemory=8000"
    done >>"$folder/slurm.conf"
    for ((pair = 1; pair <= pairs; pair++)); do
        local suffix=$pair members="n[$((2 * pair - 1))-$((2 * pair))]" default=NO
        if [ "$pair" = 1 ]; then suffix="" default=YES; fi
        echo "PartitionName=low$suffix Nodes=$members Default=$default PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 MaxTime=60"
        echo "PartitionName=high$suffix Nodes=$members PriorityTier=10 PreemptMode=OFF MaxTime=60"
    done >>"$folder/slurm.conf"
    {
        echo "export SLURM_CONF=$folder/slurm.conf"
        if [ "$network" = namespaces ]; then echo "on_cluster=\"ip netns exec $(namespace_of 0)\""; else echo "on_cluster="; fi
    } >"$folder/env"
}

envsubst_() { sed -e "s|@FOLDER@|$FOLDER|g" -e "s|@HOST@|$HOST|g" -e "s|@CONTROLLER@|$CONTROLLER|g" -e "s|@PORT@|$PORT|g"; }

up() {
    if [ -f "$folder/slurm.conf" ]; then
        echo "cluster.sh: $folder is in use; run: $0 down" >&2
        exit 1
    fi
    write_configuration
    if [ "$network" = namespaces ]; then make_namespaces "$nodes"; fi
    export SLURM_CONF=$folder/slurm.conf
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
        --log-file="$folder/log/munged" --seed-file="$folder/munge/seed"
    on 0 slurmctld
    local node
    for ((node = 1; node <= nodes; node++)); do on "n$node" slurmd -N "n$node"; done
    for _ in {1..100}; do
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
    if [ -f "$folder/slurm.conf" ]; then
        local pidfile
        for pidfile in "$folder"/state/slurmctld.pid "$folder"/state/slurmd.*.pid "$folder"/munge/pid; do
            if [ -f "$pidfile" ]; then kill "$(cat "$pidfile")" 2>/dev/null || true; fi
        done
        sleep 0.5
    fi
    if [ "$network" = namespaces ]; then remove_namespaces; fi
    rm -rf "$folder"
}

case ${1:-} in
    up | down) "$1" ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
