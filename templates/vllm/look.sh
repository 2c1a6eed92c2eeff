# look.sh <version>: whether vLLM of that version is there, and what installing it would find. For src/host/vllm/look.ts.
folder=$HOME/.pulumi-clore/runtime/vllm-$1
bounded() {
  if command -v timeout >/dev/null 2>&1; then timeout 10 "$@"; else "$@"; fi 2>/dev/null </dev/null | head -c 4000
}
# The image vllm/vllm-openai and the like: the program's first line names the Python that has it.
own=$(command -v vllm 2>/dev/null) && own_python=$(head -c 300 "$own" | sed -n '1s/^#! *\([^ ]*\).*/\1/p')
if [ -e "$folder/complete" ] && [ -x "$folder/bin/vllm" ]; then
  echo "program=$folder/bin/vllm"
elif [ -n "$own_python" ]; then
  has=$(bounded "$own_python" -c 'from importlib.metadata import version; print(version("vllm"))')
  [ "$has" = "$1" ] && echo "program=$own"
fi
for name in python3.12 python3.11 python3.13 python3.10 python3; do
  path=$(command -v "$name" 2>/dev/null) || continue
  bounded "$path" -c '
import os, sys, sysconfig
try:
    import ensurepip, venv
    can = "venv"
except ImportError:
    can = "-"
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
print("python=%s %d.%d %s %s" % (sys.argv[1], sys.version_info[0], sys.version_info[1], can, "headers" if os.path.exists(header) else "-"))
' "$path"
done
for name in cc gcc clang; do
  command -v "$name" >/dev/null 2>&1 && echo "compiler=$name" && break
done
command -v nvidia-smi >/dev/null 2>&1 &&
  bounded nvidia-smi --query-gpu=compute_cap --format=csv,noheader | sed -n 's/^\([0-9][0-9.]*\)$/compute=\1/p'
exit 0
