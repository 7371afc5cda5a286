#!/usr/bin/env bash
# The main job on this machine's CPU, from the sources of installed packages to a model that writes: `make quickstart`.
# Each stage is one command that can be typed by hand; a finished stage is found and not done again.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
folder=runs/quickstart
SECONDS=0

stage() {
    printf '\n── %s  (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
    shift
    # Print the command as it can be typed.
    (PS4='$ '; set -x; "$@")
}

stage "1/7  documents: the sources of installed mathematical packages" \
    mathcoder prepare --source installed_packages --output $folder/documents
stage "2/7  tokenizer: SentencePiece, trained on these documents" \
    mathcoder train-tokenizer $folder/documents --output $folder/tokenizer.model --vocab-size 4096
stage "3/7  tokens: a Megatron .bin/.idx dataset" \
    mathcoder tokenize $folder/documents --tokenizer $folder/tokenizer.model --output $folder/tokens/installed_packages
stage "4/7  training: megatron-core on one CPU process" \
    mathcoder train launch/recipes/tiny_cpu.toml
stage "5/7  loss curve" \
    mathcoder plot $folder/train
stage "6/7  export: a Hugging Face folder" \
    mathcoder export-hf $folder/train $folder/hf --overwrite
stage "7/7  sample: the exported model goes on" \
    mathcoder generate $folder/hf --prompt 'def integrate(' --temperature 0.6
printf '\ndone in %d:%02d; everything is in %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$folder"
