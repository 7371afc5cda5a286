#!/usr/bin/env bash
# MathCoder's claim on this machine's CPU: a model that writes code and has it run solves word problems whose arithmetic a model
# that calculates in words gets wrong. `make demo`. Each stage is one command; a finished stage is found and not done again.
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

# The quickstart's recipe with a model of two million parameters and samples of 128 tokens, 32 a step.
train() {
    mathcoder train launch/recipes/tiny_cpu.toml --set model.hidden_size=192 --set model.ffn_hidden_size=512 --set model.kv_channels=48 \
        --set dataset.seq_length=128 --set training.micro_batch_size=16 --set training.global_batch_size=32 \
        --set validation.interval_steps=100 --set dataset.blend.0.name=word_problems "$@"
}

stage "1/7  word problems with two kinds of solutions, and held-out ones" \
    mathcoder word-problems --output $folder/problems
stage "2/7  tokenizer" \
    mathcoder train-tokenizer $folder/problems/text.jsonl --output $folder/tokenizer.model --vocab-size 512
stage "3/7  the problems as plain text: tokens" \
    mathcoder tokenize $folder/problems/text.jsonl --tokenizer $folder/tokenizer.model --output $folder/tokens/text
stage "3/7  … training" \
    train --set run.folder=$folder/text --set dataset.blend.0.prefix=$folder/tokens/text \
    --set dataset.tokenizer=$folder/tokenizer.model --set model.vocab_size=512 --set training.steps=150
stage "4/7  export" \
    mathcoder export-hf $folder/text $folder/base --overwrite
stage "4/7  … the tokens of the LCE format" \
    mathcoder add-tokens $folder/base $folder/base-lce --overwrite
stage "4/7  … import" \
    mathcoder import-hf $folder/base-lce $folder/checkpoint --overwrite
for arm in cot lce; do
    stage "5/7  solutions to tokens and a loss mask: $arm" \
        mathcoder tokenize $folder/problems/$arm.jsonl --lce --max-tokens 128 --tokenizer $folder/base-lce --output $folder/tokens/$arm
    stage "6/7  fine-tuning: $arm" \
        train --set run.folder=$folder/$arm --set dataset.blend.0.prefix=$folder/tokens/$arm --set dataset.tokenizer=$folder/base-lce \
        --set checkpoint.initial=$folder/checkpoint --set model.vocab_size=640 --set training.steps=700
done
stage "7/7  both on the held-out problems" \
    mathcoder evaluate launch/recipes/evaluate_demo.toml
printf '\ndone in %d:%02d; everything is in %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$folder"
