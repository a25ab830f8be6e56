#!/bin/sh
# check.sh MODEL.pml: explores every state of the model, then every planted fault, which must be found.
#
# The first promises are the model's: its `ltl` and its assertions. Each fault that a model can have is a
# PLANT_NAME in it; a promise that no fault can break would promise nothing.
set -eu

model=$1
name=$(basename "$model" .pml)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
command -v spin >/dev/null || {
    echo "no spin: skipped"
    exit 77
}

# What a model stands for must still be there.
for file in $(grep -o 'core/[a-z_/]*\.[ch]' "$model" | sort -u); do
    [ -e "$SOURCE_DIR/$file" ] || {
        echo "$name: there is no $file"
        exit 1
    }
done

# explore DEFINE...: the last word of what pan says of the errors it found.
explore() {
    cd "$dir"
    rm -f pan.c ./*.trail
    spin "$@" -a "$model" >spin.log 2>&1 || {
        cat spin.log >&2
        exit 2
    }
    # NFAIR: room for the processes of a fair schedule. The checker's own C code is not ours to mend.
    gcc -O1 -w -DCOLLAPSE -DNFAIR=4 -DMEMLIM=2000 -o pan pan.c
    ./pan -a -f -m2000000 >pan.log 2>&1 || true
    # A search that was cut off has proved nothing.
    if grep -q -e "max search depth too small" -e "out of memory" pan.log; then
        cat pan.log >&2
        exit 2
    fi
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
}

errors=$(explore)
[ "$errors" = 0 ] || {
    echo "$name: a promise is broken; the steps that lead there:"
    cd "$dir" && spin -k ./*.trail -p -g "$model" 2>&1 | tail -n 80
    exit 1
}
echo "$name: holds, $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$dir/pan.log") states"

for plant in $(grep -o 'PLANT_[A-Z_]*' "$model" | sort -u); do
    [ "$(explore "-D$plant")" = 1 ] || {
        echo "$name: $plant is not found"
        exit 1
    }
    echo "$name: $plant is found"
done
