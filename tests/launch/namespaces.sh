#!/usr/bin/env bash
# Network namespaces for cluster.sh: one for the controller and one a node, so that the nodes are really apart.
namespace_of() { echo "mathcoder-${1#n}"; }
management_address() { echo "10.77.0.$((100 + ${1#n}))"; }
make_namespaces() { :; }
remove_namespaces() { :; }
