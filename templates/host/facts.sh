# One look at a host, for src/host/facts.ts. POSIX sh (dash, busybox). Prints sections that begin with "## name".
# Every outside program is bounded in time and output: a hostile or broken host may waste seconds, not more.
bounded() {
  if command -v timeout >/dev/null 2>&1; then timeout 6 "$@"; else "$@"; fi 2>/dev/null </dev/null | head -c 20000
}
section() { printf '\n## %s\n' "$1"; }

section os; head -c 4000 /etc/os-release 2>/dev/null
section uname; uname -m; uname -r
section cpu; nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo
section mem; grep '^MemTotal:' /proc/meminfo
for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [ -r "$limit" ] && printf 'limit: %s\n' "$(head -c 40 "$limit")"
done
section disk
folder=$HOME/.pulumi-clore
[ -d "$folder" ] || folder=$HOME
bounded df -Pk "$folder"
section gpu
command -v nvidia-smi >/dev/null 2>&1 &&
  bounded nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader,nounits
section pid1; head -c 64 /proc/1/comm 2>/dev/null
section user
account=$(id -un 2>/dev/null)
printf '%s\n' "${account:-$(id -u)}" "$(id -u)" "$HOME"
section sudo; command -v sudo >/dev/null 2>&1 && bounded sudo -n sh -c 'echo yes'
section systemd; [ -d /run/systemd/system ] && bounded systemctl is-system-running
section supervisord; command -v supervisorctl >/dev/null 2>&1 && bounded supervisorctl pid
section docker
command -v docker >/dev/null 2>&1 && echo cli
for socket in /var/run/docker.sock "/run/user/$(id -u)/docker.sock" "$HOME/.docker/run/docker.sock"; do
  if [ -S "$socket" ]; then
    printf 'socket %s\n' "$socket"
    [ -w "$socket" ] && echo writable
    break
  fi
done
if command -v docker >/dev/null 2>&1; then
  printf 'version %s\n' "$(bounded docker version --format '{{.Server.Version}}')"
elif command -v curl >/dev/null 2>&1 && [ -S "$socket" ]; then
  printf 'info %s\n' "$(bounded curl -s -m 5 --unix-socket "$socket" http://docker/version)"
fi
section caps; grep '^CapEff:' /proc/self/status
section tools
for tool in curl wget tar gzip zstd xz node python3 apt-get setsid flock; do
  command -v "$tool" >/dev/null 2>&1 && echo "$tool"
done
section node; command -v node >/dev/null 2>&1 && bounded node --version
section end
