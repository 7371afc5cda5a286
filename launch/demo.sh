#!/usr/bin/env bash
# MathCoder's claim on this machine's CPU: a model that writes code and has it run solves word problems whose arithmetic a model
# that calculates in words gets wrong. `make demo`. Each stage is one command; a finished stage is found and not done again. The
# last one fails where the claim does not hold.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
folder=runs/demo
SECONDS=0

stage() {
    printf '\n── %s  (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
    shift
    # Print the command as it can be typed.
    (PS4='$ '; set -x; "$@")
}

# The quickstart's recipe with every head's own keys, small steps and a higher rate: what has to be learned, to copy numbers, takes
# more steps than tokens.
train() {
    mathcoder train launch/recipes/tiny_cpu.toml --set model.num_query_groups=4 --set dataset.seq_length=216 \
        --set dataset.blend.0.name=word_problems --set training.micro_batch_size=8 --set training.global_batch_size=8 \
        --set optimizer.lr_warmup_steps=50 --set validation.interval_steps=250 --set checkpoint.interval_steps=500 "$@"
}

stage "1/7  word problems with two kinds of solutions, and held-out ones" \
    mathcoder word-problems --output $folder/problems
stage "2/7  tokenizer" \
    mathcoder train-tokenizer $folder/problems/text.jsonl --output $folder/tokenizer.model --vocab-size 632
stage "3/7  what the problems say as plain text: tokens" \
    mathcoder tokenize $folder/problems/text.jsonl --tokenizer $folder/tokenizer.model --output $folder/tokens/text
stage "3/7  … training" \
    train --set run.folder=$folder/text --set dataset.blend.0.prefix=$folder/tokens/text --set optimizer.lr=3e-3 \
    --set dataset.tokenizer=$folder/tokenizer.model --set model.vocab_size=632 --set training.steps=1500
stage "4/7  export" \
    mathcoder export-hf $folder/text $folder/base --overwrite
stage "4/7  … the tokens of the LCE format" \
    mathcoder add-tokens $folder/base $folder/base-lce --overwrite
stage "4/7  … import" \
    mathcoder import-hf $folder/base-lce $folder/checkpoint --overwrite
for arm in cot lce; do
    stage "5/7  solutions to tokens and a loss mask: $arm" \
        mathcoder tokenize $folder/problems/$arm.jsonl --lce --max-tokens 216 --tokenizer $folder/base-lce --output $folder/tokens/$arm
    # Two problems fit into a sample in both arms, so an epoch has as many steps.
    stage "6/7  fine-tuning, each problem once: $arm" \
        train --set run.folder=$folder/$arm --set dataset.blend.0.prefix=$folder/tokens/$arm --set dataset.tokenizer=$folder/base-lce \
        --set dataset.validation_fraction=0 --set validation.interval_steps=0 --set checkpoint.initial=$folder/checkpoint \
        --set model.vocab_size=640 --set training.steps=0 --set training.epochs=1
done
stage "7/7  both on the held-out problems" \
    mathcoder evaluate launch/recipes/evaluate_demo.toml --best lce
printf '\ndone in %d:%02d; everything is in %s, the report in %s\n' \
    $((SECONDS / 60)) $((SECONDS % 60)) "$folder" "$folder/evaluation/report.html"
