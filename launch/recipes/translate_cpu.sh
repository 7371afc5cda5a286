#!/usr/bin/env bash
# Translated mathematical code on this machine's CPU, without a model: documents → computations with Python → executed and verified.
# launch/recipes/translate_cpu.sh [FOLDER]: FOLDER holds Markdown files; the default is the data beside the repository.
# Each step is one command that can be typed by hand; a finished step is found and not done again.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
markdown=${1:-../shared/data/markdown}
folder=runs/translate_cpu

step() {
    # Print the command as it can be typed.
    (PS4='$ '; set -x; "$@")
}

step mathcoder prepare --source markdown "$markdown" --output $folder/documents
step mathcoder translate $folder/documents --output $folder/completions
step mathcoder execute $folder/completions --output $folder/code --layout inserted
