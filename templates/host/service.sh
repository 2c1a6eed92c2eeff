# Everything that is done to a supervised service, for src/host/service.ts: service.sh <verb> <arguments>.
# The answer is lines of key=value; lines of a log begin with "|", so that no log can pose as an answer.
umask 077
base=$HOME/.pulumi-clore
use() { name=$1 dir=$base/services/$1; }
now() { date +%s; }
nap() { sleep "${1:-0.2}" 2>/dev/null || sleep 1; }
digest_of() { link=$(readlink "$1" 2>/dev/null) && printf '%s' "${link##*/}"; }
# After a rotation the last lines are in the file before.
last_lines() { { tail -n "$1" "$dir/log.1"; tail -n "$1" "$dir/log"; } 2>/dev/null | tail -n "$1"; }
show_log() { last_lines "$1" | cut -c1-2000 | sed 's/^/|/'; }
free_kb() {
  df -Pk "$HOME" 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; printf '%s' "$free"; }
}

# The supervisor's pid, if it is alive and really ours: a pid may have gone to another process since a reboot.
supervisor_pid() {
  pid=$(cat "$dir/run/supervisor.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
    *"$dir/current/supervise $dir "*) printf '%s' "$pid" ;;
    *) return 1 ;;
  esac
}
field() { sed -n "s/^$1=//p" "$dir/run/status" 2>/dev/null; }
# Pids that bear this service's mark.
marked() {
  for environ in $(grep -lsF "PULUMI_CLORE_SERVICE=$dir" /proc/[0-9]*/environ 2>/dev/null); do
    tr '\0' '\n' <"$environ" 2>/dev/null | grep -qxF "PULUMI_CLORE_SERVICE=$dir" || continue
    pid=${environ#/proc/}
    printf '%s\n' "${pid%/environ}"
  done
}
end_supervisor() {
  supervisor=$(supervisor_pid) && {
    kill -TERM "$supervisor"
    stop_timeout=10
    [ -r "$dir/current/settings" ] && . "$dir/current/settings"
    limit=$(($(now) + stop_timeout + 5))
    while supervisor_pid >/dev/null && [ "$(now)" -lt "$limit" ]; do nap; done
    supervisor_pid >/dev/null && kill -KILL "$supervisor"
  }
  for pid in $(marked); do kill -KILL "$pid" 2>/dev/null; done
  rm -f "$dir/run/supervisor.pid" "$dir/run/status"
}
backend() { cat "$dir/backend" 2>/dev/null || echo own; }
start_service() {
  rm -f "$dir/run/status"
  "$(backend)_start"
}
stop_service() { "$(backend)_stop"; }
# The file `healthy` is there while the current release is known to have been healthy.
switch_to() { rm -f "$dir/healthy" "$dir/current" && ln -s "releases/$1" "$dir/current"; }

observe() {
  printf 'free_kb=%s\n' "$(free_kb)"
  for wanted in "$@"; do
    use "$wanted"
    printf '## %s\n' "$name"
    [ -d "$dir" ] || continue
    printf 'digest=%s\nprevious=%s\nbackend=%s\n' "$(digest_of "$dir/current")" "$(digest_of "$dir/previous")" "$(backend)"
    printf 'supervisor=%s\n' "$(supervisor_pid)"
    cat "$dir/run/status" 2>/dev/null
    pid=$(field pid)
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && echo alive=yes
    [ -e "$dir/healthy" ] && echo healthy=yes
    show_log 20
  done
}

# Who listens on a port: prints "pid name", or "?" where that cannot be seen. Fails when nobody does.
listener() {
  line=$(grep -hE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") [0-9A-F]+:[0-9A-F]+ 0A " \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null | head -n 1)
  [ -n "$line" ] || return 1
  set -- $line
  shift 9
  owner=$(ls -l /proc/[0-9]*/fd 2>/dev/null | while read -r line; do
    case $line in
      /proc/*) pid=${line#/proc/} pid=${pid%%/*} ;;
      *"socket:[$1]"*) echo "$pid"; break ;;
    esac
  done)
  if [ -n "$owner" ]; then echo "$owner $(cat "/proc/$owner/comm" 2>/dev/null)"; else echo '?'; fi
}
# Fails and says so when a port of the release $1 is held by somebody else.
ports_are_free() {
  ports= && . "$dir/releases/$1/settings"
  wanted=$ports
  ports= && [ -r "$dir/current/settings" ] && . "$dir/current/settings"
  mine=" $(supervisor_pid >/dev/null && echo "$ports") "
  for port in $wanted; do
    who=$(listener "$port") || continue
    case $who in
      '?') case $mine in *" $port "*) continue ;; esac ;;
      *) tr '\0' '\n' <"/proc/${who%% *}/environ" 2>/dev/null | grep -qxF "PULUMI_CLORE_SERVICE=$dir" && continue ;;
    esac
    printf 'result=port-taken\nport=%s\nby=%s\n' "$port" "$who"
    return 1
  done
}

# Waits until the service is healthy. Sets $verdict: healthy, unchecked, crashed or unhealthy, and prints what was seen.
await_health() {
  health_timeout=60 settle=2 looks=0
  . "$dir/current/settings"
  started=$(now)
  while :; do
    waited=$(($(now) - started))
    case $(field state) in
      exited) if [ "$(field last_exit)" = 0 ] && [ ! -e "$dir/current/health" ]; then verdict=healthy; else verdict=crashed; fi; return ;;
      backoff) verdict=crashed; return ;;
      running)
        if [ ! -e "$dir/current/health" ]; then
          [ "$waited" -ge "$settle" ] && verdict=healthy && return
          seen=
        else
          seen=$(sh "$dir/current/health" 2>&1 </dev/null)
          case $? in
            0) verdict=healthy; return ;;
            3) verdict=unchecked; return ;;
          esac
        fi ;;
    esac
    if [ "$waited" -ge "$health_timeout" ]; then
      printf 'seen=%s\n' "$(printf '%s' "$seen" | tail -n 1 | cut -c1-300)"
      verdict=unhealthy
      return
    fi
    looks=$((looks + 1))
    if [ "$looks" -le 10 ]; then nap 0.03; else nap; fi # many are ready at once
  done
}

# Without a trace: also for what never ran, since nobody will come to remove it.
forget() {
  rm -rf "$dir"
  rmdir "$base/services" "$base" 2>/dev/null
}
# apply <name> <digest> <backend>: the release is written; make it the one that runs, or keep the one before.
apply() {
  try_apply "$@"
  observe "$1"
}
try_apply() {
  use "$1" && digest=$2
  chmod 700 "$base"
  ports_are_free "$digest" || { [ -e "$dir/current" ] || forget; return 0; }
  was=$(digest_of "$dir/current")
  : >>"$dir/log"
  offset=$(wc -c <"$dir/log")
  # One that an earlier run started and did not see healthy is asked again, and is no version to go back to.
  [ -e "$dir/healthy" ] || { cut_short=$was was=$(digest_of "$dir/previous"); }
  if [ "$cut_short" != "$digest" ] || [ "$(field state)" != running ] || ! supervisor_pid >/dev/null; then
    [ -e "$dir/backend" ] && stop_service
    switch_to "$digest" && printf '%s\n' "$3" >"$dir/backend" && mkdir -p "$dir/run" || { echo result=failed; return 0; }
    [ "$was" != "$digest" ] && [ -n "$was" ] && rm -f "$dir/previous" && ln -s "releases/$was" "$dir/previous"
    start_service || { echo result=failed; return 0; }
  fi
  await_health
  finish
}
# Says how it went; a release that failed gives way to the one before it.
finish() {
  printf 'result=%s\nexit=%s\npid=%s\n' "$verdict" "$(field last_exit)" "$(field pid)"
  case $verdict in
    healthy | unchecked)
      [ "$verdict" = healthy ] && : >"$dir/healthy"
      keep=" $(digest_of "$dir/current") $(digest_of "$dir/previous") "
      for old in "$dir"/releases/*; do
        case $keep in *" ${old##*/} "*) ;; *) rm -rf "$old" ;; esac
      done
      return ;;
  esac
  printf 'free_kb=%s\n' "$(free_kb)"
  tail -c "+$((${offset:-0} + 1))" "$dir/log" 2>/dev/null | tail -n 20 | cut -c1-2000 | sed 's/^/|/'
  [ "$was" = "$digest" ] && return
  stop_service
  if [ -n "$was" ] && [ -d "$dir/releases/$was" ]; then
    switch_to "$was"
    rm -f "$dir/previous"
    start_service
    await_health
    [ "$verdict" = healthy ] && : >"$dir/healthy"
    printf 'rolled_back=%s\n' "$verdict"
  else
    forget
  fi
}
# accept and reject <name>: as after a good and a failed check, for a check that was made from outside.
accept() { use "$1" && : >"$dir/healthy" && observe "$1"; }
reject() {
  use "$1"
  digest=$(digest_of "$dir/current") was=$(digest_of "$dir/previous") verdict=unhealthy offset=0
  finish
  observe "$1"
}
stop() { use "$1"; [ -d "$dir" ] && stop_service; echo result=stopped; }
remove() {
  for wanted in "$@"; do
    use "$wanted"
    [ -d "$dir" ] || continue
    stop_service
    forget
  done
  echo result=removed
}
# What services share (runtimes, models) goes when the last service has gone.
leave() {
  rmdir "$base/services" 2>/dev/null
  [ -e "$base/services" ] || rm -rf "$base"
  echo result=left
}
remove_all() {
  for folder in "$base"/services/*/; do
    [ -d "$folder" ] || continue
    folder=${folder%/}
    remove "${folder##*/}" >/dev/null
  done
  rm -rf "$base"
  if [ -e "$base" ]; then echo result=failed; else echo result=removed; fi
}
logs() { use "$1"; last_lines "$2" | cut -c1-4000; }

verb=$1
shift
"$verb" "$@" </dev/null
exit
