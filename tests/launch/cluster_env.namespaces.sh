#!/usr/bin/env bash
# launch/cluster_env.sh for the cluster of cluster.sh whose nodes have namespaces of their own, one CPU rank each.
# shellcheck disable=SC2034
TRAIN_OPTIONS=(--partition=low-1)
CPU_OPTIONS=(--partition=low-1)
LLM_OPTIONS=(--partition=low-1 --nodes=1)
RANKS_PER_NODE=1
GPU=
TIME_LIMIT=30
SIGNAL_SECONDS=60
CRASH_LIMIT=3
STALL_MINUTES=5
PYTHON=@PYTHON@
HOST_PYTHON=$PYTHON
CONTAINER=none IMAGE='' LLM_IMAGE='' SRUN_OPTIONS=() IN_CONTAINER=()
in_image() { :; }
# The ranks meet on the first node, which is the batch host, over the management network; gloo uses the fabric.
first=${SLURMD_NODENAME:-n0}
export MASTER_ADDR=10.77.0.$((100 + ${first#n})) GLOO_SOCKET_IFNAME=fabric OMP_NUM_THREADS=1
