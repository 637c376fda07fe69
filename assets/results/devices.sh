#!/usr/bin/env bash
# Holds what networks learn and see on other devices against flex: libtorch on the processor, and wgpu with whatever graphics driver is
# here, software among them. Usage: assets/results/devices.sh [tch] [wgpu], without arguments both.
# Exit codes: 0 all that could be tried agree, 1 some do not.
set -euo pipefail
cd "$(dirname "$0")/../.."

torch_folder="${ROADPROOF_TORCH:-$HOME/.cache/roadproof-torch}"
devices=("$@")
[ ${#devices[@]} -gt 0 ] || devices=(tch wgpu)

# libtorch 2.9.0 from the Python package, once for all.
libtorch() {
    if [ ! -e "$torch_folder/ready" ]; then
        rm -rf "$torch_folder"
        python3 -m venv "$torch_folder" || return 1
        # The package alone has the libraries for the processor; those for NVIDIA's cards are loaded by nobody here, but linked to.
        "$torch_folder/bin/pip" install --quiet --disable-pip-version-check torch==2.9.0 numpy || return 1
        touch "$torch_folder/ready"
    fi
    LIBTORCH=$("$torch_folder/bin/python" -c 'import torch; print(torch.__path__[0])') || return 1
    export LIBTORCH LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" LIBTORCH_BYPASS_VERSION_CHECK=1
}

compare() {
    cargo run --release -p roadproof-perception --features "$1" --example compare_devices -- "$1"
}

for device in "${devices[@]}"; do
    printf '\n== flex and %s ==\n' "$device"
    if [ "$device" = tch ] && ! libtorch; then
        echo "not tried: torch 2.9.0 cannot be had from the Python package index here"
        continue
    fi
    status=0
    compare "$device" || status=$?
    case $status in
        0) ;;
        1) exit 1 ;;
        2) echo "not tried: there is no such device here" ;;
        *) echo "not tried: it cannot be built here" ;;
    esac
done
