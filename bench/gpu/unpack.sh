#!/bin/sh
# On the machine with the GPU: joins the pieces beside this script, unpacks them into ./zeroth-gpu and runs what is there.
# Arguments are run.sh's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p zeroth-gpu
cat "$here"/zeroth-gpu.tar.gz.* | tar -xz -C zeroth-gpu
exec sh zeroth-gpu/bench/gpu/run.sh "$@"
