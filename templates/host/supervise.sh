#!/bin/sh
# supervise <service folder>: keeps one process running. POSIX sh, no root. Stays in the foreground.
# TERM stops the process group: TERM first, KILL after $stop_timeout seconds. Exit 0 means: it is meant to be over.
# Files of the folder: current/{start,settings} are read; run/{supervisor.pid,status} and log, log.1 are written.
dir=$1
release=$(cd "$dir/current" && pwd -P) || exit 1
restart=always stop_timeout=10 log_max_bytes=10485760
. "$release/settings"
umask 077
mkdir -p "$dir/run"
echo $$ >"$dir/run/supervisor.pid"
# Marks everything that we start, so that leftovers of a killed supervisor can be told from strangers' processes.
PULUMI_CLORE_SERVICE=$dir
export PULUMI_CLORE_SERVICE
setsid=
command -v setsid >/dev/null 2>&1 && setsid=setsid
child= killer= stopping= restarts=0 last_exit= since=0

status() {
  printf 'state=%s\npid=%s\nrestarts=%s\nsince=%s\nlast_exit=%s\n' \
    "$1" "$child" "$restarts" "$since" "$last_exit" >"$dir/run/status.new" &&
    mv -f "$dir/run/status.new" "$dir/run/status"
}
# This form of kill is the one that dash, bash and busybox all take for a group.
signal_child() {
  if [ -n "$setsid" ]; then kill "-$1" "-$child"; else kill "-$1" "$child"; fi 2>/dev/null
}
on_term() {
  stopping=1
  [ -n "$child" ] || return
  signal_child TERM
  (sleep "$stop_timeout"; signal_child KILL) >/dev/null 2>&1 &
  killer=$!
}
# The process of a supervisor that was killed itself: recorded, alive and bearing our mark.
end_leftover() {
  child=$(sed -n 's/^pid=//p' "$dir/run/status" 2>/dev/null)
  [ -n "$child" ] && tr '\0' '\n' <"/proc/$child/environ" 2>/dev/null |
    grep -qxF "PULUMI_CLORE_SERVICE=$dir" && signal_child KILL
  child=
}
# Copies and empties, so that the process keeps its open file.
rotate() {
  while sleep 5 && kill -0 $$ 2>/dev/null; do
    [ "$(wc -c <"$dir/log")" -gt "$log_max_bytes" ] && cp "$dir/log" "$dir/log.1" && : >"$dir/log"
  done
}

trap '' HUP
trap on_term TERM INT
end_leftover 2>/dev/null
rotate >/dev/null 2>&1 &
rotator=$!
pause=1
while [ -z "$stopping" ]; do
  since=$(date +%s)
  $setsid sh "$release/start" >>"$dir/log" 2>&1 </dev/null &
  child=$!
  status running
  [ -n "$stopping" ] && signal_child TERM
  while :; do
    wait "$child"
    last_exit=$?
    # A signal ends `wait` early: the child is over only when it is gone.
    kill -0 "$child" 2>/dev/null || break
  done
  [ -n "$setsid" ] && signal_child KILL
  child=
  [ -n "$stopping" ] && break
  case $restart in
    no) break ;;
    on-failure) [ "$last_exit" -eq 0 ] && break ;;
  esac
  [ $(($(date +%s) - since)) -ge 60 ] && pause=1
  status backoff
  sleep "$pause" &
  wait $!
  pause=$((pause * 2))
  [ "$pause" -gt 30 ] && pause=30
  restarts=$((restarts + 1))
done
[ -n "$killer" ] && kill "$killer" 2>/dev/null
kill "$rotator" 2>/dev/null
if [ -n "$stopping" ]; then status stopped; else status exited; fi
rm -f "$dir/run/supervisor.pid"
exit 0
