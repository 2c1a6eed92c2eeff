# Our own supervisor, detached from the SSH session. After a reboot it comes back by cron's @reboot where cron runs;
# elsewhere the next `up` starts it.
own_line() { printf '@reboot sh %s/current/supervise %s # pulumi-clore %s' "$dir" "$dir" "$name"; }
own_cron_runs() {
  command -v crontab >/dev/null 2>&1 && cat /proc/[0-9]*/comm 2>/dev/null | grep -qxE 'cron|crond'
}
own_start() {
  if own_cron_runs; then
    (crontab -l 2>/dev/null | grep -v "# pulumi-clore $name\$"; own_line; echo) | crontab - 2>/dev/null
  fi
  if command -v setsid >/dev/null 2>&1; then
    setsid sh "$dir/current/supervise" "$dir" </dev/null >/dev/null 2>&1 &
  else
    nohup sh "$dir/current/supervise" "$dir" </dev/null >/dev/null 2>&1 &
  fi
}
own_stop() {
  if own_cron_runs && crontab -l 2>/dev/null | grep -q "# pulumi-clore $name\$"; then
    crontab -l 2>/dev/null | grep -v "# pulumi-clore $name\$" | crontab - 2>/dev/null
  fi
  end_supervisor
}
