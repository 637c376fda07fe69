#!/usr/bin/env bash
# Everything that needs an NVIDIA graphics card, in at most eight minutes behind the build: what works, whether flex and cuda learn and see
# the same, how fast each sees and learns, whether memory stays flat, and three minutes of learning to drive.
# Usage: assets/results/gpu.sh [FOLDER], where what it prints and the run are left. Build first where there is more time:
#     cargo build --release --features cuda && cargo build --release -p roadproof-perception --features cuda --examples
set -euo pipefail
cd "$(dirname "$0")/../.."
out="${1:-gpu}"
mkdir -p "$out"

step() { printf '\n== %s ==\n' "$*"; }

{
    step "machine"
    date -u +%F
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || echo "no nvidia-smi"
    nproc
    step "devices"
    cargo run --release --quiet --features cuda -- devices
    step "flex and cuda learn and see the same"
    timeout 90 cargo run --release --quiet -p roadproof-perception --features cuda --example compare_devices -- cuda
    step "speed, and memory over two thousand steps"
    timeout 120 cargo run --release --quiet -p roadproof-perception --features cuda --example device_speed -- flex cuda
    step "three minutes of learning to drive on the shipped perception, on the card and beside it"
    for actors in cuda flex; do
        rm -rf "$out/$actors"
        timeout 150 cargo run --release --quiet --features cuda -- train --perception shipped --device cuda \
            --actor-device "$actors" --minutes 1.5 --set learn.worlds=512 --set evaluate.roads=10 --out "$out/$actors"
    done
} 2>&1 | tee "$out/gpu.txt"
