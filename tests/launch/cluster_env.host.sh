#!/usr/bin/env bash
# launch/cluster_env.sh for the cluster of cluster.sh: nodes without GPUs on one machine, one CPU rank each.
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
# The nodes' names mean nothing outside Slurm; all are this machine.
export MASTER_ADDR=127.0.0.1 OMP_NUM_THREADS=1
