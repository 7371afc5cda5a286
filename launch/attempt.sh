#!/usr/bin/env bash
# The end of every batch script, which sources this after cluster_env.sh.
# shellcheck disable=SC2154  # the names that cluster_env.sh gives

# srun of Slurm 22.05 and later does not take it from sbatch, and would give a task one core.
if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK; fi

# How a stage's verb is started: one task.
task=(srun --nodes=1 --ntasks=1 "${SRUN_OPTIONS[@]}" "${IN_CONTAINER[@]}")

# attempt FOLDER OPTIONS… -- COMMAND…: one attempt of this job, and the end of the script. The shell outlives what Slurm ends, to
# see whether the attempt itself was killed (kill -9, no memory left): that is recorded and requeued as a crash.
attempt() {
    local status=0 command=("$HOST_PYTHON" -m megatron_mathcoder attempt --gpu "$GPU" --crash-limit "$CRASH_LIMIT")
    command+=(--job "$SLURM_JOB_ID" --restart "${SLURM_RESTART_COUNT:-0}")
    trap : TERM USR1
    "${command[@]}" "$@" || status=$?
    if [ "$status" = 137 ]; then "${command[@]}" --killed "$@" || status=$?; fi
    exit "$status"
}

# stage CHAIN NAME OPTIONS… -- VERB ARGUMENTS…: the same for a verb of mathcoder
stage() {
    local options=("$1" --name "$2")
    shift 2
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    attempt "${options[@]}" -- "${task[@]}" "$PYTHON" -m megatron_mathcoder "${@:2}"
}
