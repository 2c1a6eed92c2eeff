import type { Gpu } from "./types.ts";

const driver = "550.127.05";

/**
 * A stand-in for nvidia-smi as a POSIX sh script: the plain table, `-L`, and `--query-gpu=… --format=csv[,noheader][,nounits]`.
 * Without GPUs it fails the way the real one does when no driver answers.
 */
export function fakeNvidiaSmi(gpus: readonly Gpu[]): string {
  if (gpus.length === 0) {
    return `#!/bin/sh
echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running." >&2
exit 9
`;
  }
  return `#!/bin/sh
# Stand-in of the emulator: there is no GPU here.
fields= units=1 header=1 list=
for word in "$@"; do
  case "$word" in
    --query-gpu=*) fields=\${word#*=} ;;
    --format=*) case "$word" in *noheader*) header= ;; esac; case "$word" in *nounits*) units= ;; esac ;;
    -L|--list-gpus) list=1 ;;
  esac
done
value() { # field index name mib
  case "$1" in
    name|gpu_name) echo "$3" ;;
    index) echo "$2" ;;
    count) echo "${gpus.length}" ;;
    uuid|gpu_uuid) echo "GPU-00000000-0000-4000-8000-00000000000$2" ;;
    driver_version) echo "${driver}" ;;
    memory.total|memory.free) echo "$4\${units:+ MiB}" ;;
    memory.used) echo "0\${units:+ MiB}" ;;
    utilization.gpu|utilization.memory) echo "0\${units:+ %}" ;;
    temperature.gpu) echo 41 ;;
    *) echo "[N/A]" ;;
  esac
}
query() { # index name mib
  line=
  for field in $(echo "$fields" | tr , ' '); do line="$line\${line:+, }$(value "$field" "$@")"; done
  echo "$line"
}
if [ -n "$fields" ]; then
  [ -z "$header" ] || echo "$fields" | sed 's/,/, /g'
${gpus.map((gpu, i) => `  query ${i} ${quote(gpu.name)} ${mib(gpu)}`).join("\n")}
elif [ -n "$list" ]; then
${gpus.map((gpu, i) => `  echo ${quote(`GPU ${i}: ${gpu.name} (UUID: GPU-00000000-0000-4000-8000-00000000000${i})`)}`).join("\n")}
else
cat <<'TABLE'
${table(gpus)}
TABLE
fi
`;
}

function table(gpus: readonly Gpu[]): string {
  const line = "+-----------------------------------------------------------------------------------------+";
  return [
    line,
    `| NVIDIA-SMI ${driver}             Driver Version: ${driver}     CUDA Version: 12.4     |`,
    "|-----------------------------------------+------------------------+----------------------+",
    ...gpus.flatMap((gpu, i) => [
      `|   ${i}  ${gpu.name.padEnd(32)}  Off |   00000000:0${i}:00.0 Off |                  N/A |`,
      `| 30%   41C    P8             15W /  350W |       0MiB / ${String(mib(gpu)).padStart(6)}MiB |      0%      Default |`,
    ]),
    line,
  ].join("\n");
}

function mib(gpu: Gpu): number {
  return Math.round(gpu.vramGb * 1024);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
