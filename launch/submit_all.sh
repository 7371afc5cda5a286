#!/usr/bin/env bash
# MathCoder2 from raw text to benchmark scores on Slurm. Each stage waits for those it needs to end, and starts only if they have
# finished; what has not is named in the record of CHAIN: mathcoder status CHAIN.
#   PARTS=16 NODES=4 launch/submit_all.sh CHAIN RAW BENCHMARKS HF_MODEL RECIPE [EVALUATION] [-- OPTIONS of mathcoder submit]
# RECIPE names its dataset as CHAIN/tokens/corpus. TOKENIZER names another than HF_MODEL's. A finished data stage is found and not
# done again.
set -euo pipefail
: "${5:?missing: CHAIN RAW BENCHMARKS HF_MODEL RECIPE [EVALUATION] [-- OPTIONS of mathcoder submit]}"
chain=$1 raw=$2 benchmarks=$3 model=$4 recipe=$5
shift 5
evaluation=
if [ $# -gt 0 ] && [ "$1" != -- ]; then
    evaluation=$1
    shift
fi
if [ $# -gt 0 ]; then shift; fi
parts=${PARTS:-16} nodes=${NODES:-1} tokenizer=${TOKENIZER:-$model}
export CLUSTER_ENV=${CLUSTER_ENV:-launch/cluster_env.sh}
# shellcheck source=launch/cluster_env.sh
source "$CLUSTER_ENV"
mkdir -p "$chain/logs"

# job STAGE AFTER OPTIONS… SCRIPT ARGUMENTS…: submit a stage after the jobs AFTER, say so, and leave its id in $id
job() {
    local wait=()
    if [ -n "$2" ]; then wait=(--dependency="afterany:$2"); fi
    id=$(sbatch --parsable --job-name="$1" --output="$chain/logs/$1-%a.log" "${wait[@]}" "${@:3}")
    printf '%-14s job %s%s\n' "$1" "$id" "${2:+ after $2}"
}
training=("$recipe" --nodes "$nodes" --site "$CLUSTER_ENV" --set run.folder="$chain/train" --set checkpoint.initial="$chain/imported" "$@")
array=(--array="1-$parts" "${CPU_OPTIONS[@]}" launch/data.sbatch "$chain")
whole=("${CPU_OPTIONS[@]}" launch/data.sbatch "$chain")

job prepare "" "${array[@]}" prepare "$parts" -- prepare "$raw" --output "$chain/prepared"
# A wrong RECIPE is refused now, and not when the data is there.
if ! mathcoder submit "${training[@]}" --after "$id" --dry-run >"$chain/logs/submit"; then
    scancel "$id"
    exit 1
fi
job dedup "$id" "${whole[@]}" dedup 1 --needs="$chain:prepare/$parts" -- dedup "$chain/prepared" --output "$chain/unique"
job decontaminate "$id" "${array[@]}" decontaminate "$parts" --needs="$chain:dedup" -- \
    decontaminate "$chain/unique" --benchmarks "$benchmarks" --output "$chain/clean"
job tokenize "$id" "${array[@]}" tokenize "$parts" --needs="$chain:decontaminate/$parts" -- \
    tokenize "$chain/clean" --tokenizer "$tokenizer" --output "$chain/tokens/corpus"
tokens=$id
job import-hf "" "${CPU_OPTIONS[@]}" launch/convert.sbatch "$chain" import-hf -- \
    import-hf "$model" "$chain/imported" --overwrite
all=$tokens:$id

mathcoder submit "${training[@]}" --after "$all" --needs "$chain:tokenize/$parts" --needs "$chain:import-hf" | tee "$chain/logs/submit"
train=$(awk '$1 == "job" { print $2 + 0 }' "$chain/logs/submit")

job export-hf "$train" "${CPU_OPTIONS[@]}" launch/convert.sbatch "$chain" export-hf --needs="$chain/train:train" -- \
    export-hf "$chain/train" "$chain/hf" --overwrite
if [ -n "$evaluation" ]; then
    job evaluate "$id" "${LLM_OPTIONS[@]}" launch/evaluate.sbatch "$chain" evaluate --needs="$chain:export-hf" -- \
        evaluate "$evaluation" --set models.0.path="$chain/hf" --set evaluation.folder="$chain/evaluation"
fi
echo "next: mathcoder status $chain; mathcoder status $chain/train"
