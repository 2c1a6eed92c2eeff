# supervisord keeps our supervise script running and starts it when the container starts.
# `supervisorctl` finds the same configuration file as the daemon; programs go into its [include] folder.
supervisord_conf() {
  for conf in "$SUPERVISOR_CONF" /etc/supervisor/supervisord.conf /etc/supervisord.conf /etc/supervisor.conf; do
    [ -n "$conf" ] && [ -r "$conf" ] && break
  done
  pattern=$(sed -n '/^\[include\]/,/^\[/s/^files *= *\([^ ]*\).*/\1/p' "$conf" 2>/dev/null | head -n 1)
  case $pattern in
    '') return 1 ;;
    /*) ;;
    *) pattern=$(dirname "$conf")/$pattern ;;
  esac
  # The pattern is a glob such as conf.d/*.conf: our name takes the place of its star.
  printf '%s\n' "$pattern" | sed "s|\*|pulumi-clore-$name|"
}
supervisord_start() {
  file=$(supervisord_conf) || return 1
  cat >"$file" <<CONF
[program:pulumi-clore-$name]
command=sh $dir/current/supervise $dir
user=$(id -un)
environment=HOME="$HOME"
autostart=true
autorestart=unexpected
startsecs=0
stopwaitsecs=600
stdout_logfile=/dev/null
stderr_logfile=/dev/null
CONF
  supervisorctl reread >/dev/null 2>&1
  supervisorctl add "pulumi-clore-$name" >/dev/null 2>&1
  supervisorctl start "pulumi-clore-$name" >/dev/null 2>&1
  return 0
}
supervisord_stop() {
  supervisorctl stop "pulumi-clore-$name" >/dev/null 2>&1
  file=$(supervisord_conf) && rm -f "$file"
  supervisorctl reread >/dev/null 2>&1
  supervisorctl remove "pulumi-clore-$name" >/dev/null 2>&1
  end_supervisor
}
