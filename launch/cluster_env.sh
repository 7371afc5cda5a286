#!/usr/bin/env bash
# The only file with names of a cluster. Copy it, or edit it here; `mathcoder submit` and every batch script source it.
# shellcheck disable=SC2034  # the scripts that source this file use its variables

# Options of sbatch: partition, account, qos, and what a node has.
TRAIN_OPTIONS=(--partition=gpu --gpus-per-node=8 --cpus-per-task=12 --exclusive)
CPU_OPTIONS=(--partition=cpu --cpus-per-task=16)
LLM_OPTIONS=(--partition=gpu --nodes=1 --gpus-per-node=8 --exclusive)

# One rank per GPU. GPU is its name in `mathcoder plan --help`; "" where there are none.
RANKS_PER_NODE=8
GPU=h100
# Of one job; a longer run is requeued. USR1 comes SIGNAL_SECONDS before the limit, or two saves and a minute if that is more.
TIME_LIMIT=24:00:00
SIGNAL_SECONDS=300
# Crashes in a row without a new checkpoint after which a job stays down; minutes without a sign of life that count as one.
CRASH_LIMIT=3
STALL_MINUTES=60

# Software outside a container: modules, and the Python in which `make install` put this project.
if command -v module >/dev/null; then module load cuda/12.4; fi
PYTHON=$PWD/.venv/bin/python
# Inside one: CONTAINER=pyxis (an image for enroot) or apptainer (a .sif); PYTHON is then the image's. MOUNTS must hold this folder,
# data and runs. The batch host itself always needs a Python of 3.11 or 3.12, without torch: HOST_PYTHON.
CONTAINER=none
IMAGE=
MOUNTS=/data,/scratch
HOST_PYTHON=$PYTHON

# The server of translate.sbatch: a command that takes MODEL --host HOST --port PORT and answers as OpenAI's does, the image it is
# in, and how long loading a model may take.
LLM_SERVER=(vllm serve --tensor-parallel-size "$RANKS_PER_NODE")
LLM_IMAGE=$IMAGE
SERVER_SECONDS=1800

# Network: the interfaces NCCL and gloo shall use, and how patient InfiniBand is (MathCoder2's own values).
export NCCL_SOCKET_IFNAME=^lo,docker0 NCCL_IB_TIMEOUT=22 NCCL_IB_RETRY_CNT=13
# A collective that fails ends its rank at once; the last ones are kept for the post-mortem.
export TORCH_NCCL_ASYNC_ERROR_HANDLING=1 TORCH_NCCL_TRACE_BUFFER_SIZE=2000
export PYTHONFAULTHANDLER=1 OMP_NUM_THREADS=1

# What the batch scripts put before a command in an image.
in_image() {
    SRUN_OPTIONS=() IN_CONTAINER=()
    case $CONTAINER in
        none) ;;
        pyxis) SRUN_OPTIONS=(--container-image="$1" --container-mounts="$MOUNTS" --container-workdir="$PWD") ;;
        apptainer) IN_CONTAINER=(apptainer exec --nv --bind "$MOUNTS" "$1") ;;
        *) echo "cluster_env.sh: CONTAINER=$CONTAINER: must be none, pyxis or apptainer" >&2; exit 2 ;;
    esac
}
in_image "$IMAGE"
