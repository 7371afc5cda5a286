#!/usr/bin/env bash
# Network namespaces for cluster.sh, so that the nodes are really apart: mathcoder-0 for the controller, mathcoder-N for node N.
# Each has an address on a management network 10.77.0.0/24, a bridge in mathcoder-0; the two nodes of a pair also share a
# cable of their own, named fabric, as training nodes do: 10.78.PAIR.1 and .2.

in_namespace() { # in_namespace NUMBER COMMAND…: nsenter, since `ip netns exec` would also hide later mounts
    nsenter --net="/run/netns/mathcoder-$1" "${@:2}"
}

management_address() { echo "10.77.0.$((100 + $1))"; }

# Their names are the same for every cluster, so only one on a machine can have them: its folder stands here.
owner=/run/mathcoder-namespaces

# shellcheck disable=SC2154  # cluster.sh has the folder
may_have_namespaces() { # whether no other cluster has them
    [ ! -f "$owner" ] || [ "$(cat "$owner")" = "$folder" ] || [ ! -d "$(cat "$owner")" ]
}

make_namespaces() { # make_namespaces NODES
    local node pair
    for ((node = 0; node <= $1; node++)); do
        ip netns add "mathcoder-$node"
        ip -n "mathcoder-$node" link set lo up
    done
    ip -n mathcoder-0 link add management type bridge
    ip -n mathcoder-0 addr add "$(management_address 0)/24" dev management
    ip -n mathcoder-0 link set management up
    for ((node = 1; node <= $1; node++)); do
        ip -n "mathcoder-$node" link add management type veth peer name "node-$node" netns mathcoder-0
        ip -n "mathcoder-$node" addr add "$(management_address "$node")/24" dev management
        ip -n "mathcoder-$node" link set management up
        ip -n mathcoder-0 link set "node-$node" master management up
    done
    for ((pair = 1; pair <= $1 / 2; pair++)); do
        ip -n "mathcoder-$((2 * pair - 1))" link add fabric type veth peer name fabric netns "mathcoder-$((2 * pair))"
        for node in 1 2; do
            ip -n "mathcoder-$((2 * pair - 2 + node))" addr add "10.78.$pair.$node/24" dev fabric
            ip -n "mathcoder-$((2 * pair - 2 + node))" link set fabric up
        done
    done
}

remove_namespaces() {
    local name
    for name in $(ip netns list | awk '/^mathcoder-[0-9]+/ { print $1 }'); do ip netns del "$name"; done
    rm -f "$owner"
}
