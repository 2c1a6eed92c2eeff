# Our own supervisor, detached from the SSH session. After a restart of the machine it comes back by cron's @reboot
# where cron runs; in a container whose PID 1 is a shell with a script, by a line in that script. Elsewhere the next
# `up` starts it.
own_line() { printf '@reboot sh %s/current/supervise %s # pulumi-clore %s' "$dir" "$dir" "$name"; }
own_cron_runs() {
  command -v crontab >/dev/null 2>&1 && cat /proc/[0-9]*/comm 2>/dev/null | grep -qxE 'cron|crond'
}
# The script that PID 1 was started with (a rental's /etc/order_entrypoint.sh), if we may write it. Not from a home that
# is not the account's own: that is a sandbox on somebody's machine.
own_entrypoint() {
  grep -q "^[^:]*:[^:]*:$(id -u):[^:]*:[^:]*:$HOME:" /etc/passwd 2>/dev/null || return 1
  { read -r shell && read -r script; } <<CMDLINE || return 1
$(tr '\0' '\n' 2>/dev/null </proc/1/cmdline | head -n 2)
CMDLINE
  case ${shell##*/} in sh | bash | dash | ash) ;; *) return 1 ;; esac
  case $script in /*) [ -f "$script" ] && [ -w "$script" ] && printf '%s' "$script" ;; *) return 1 ;; esac
}
# Takes our line out of the script, and puts $1 in, behind the first line if that is a comment. A new file takes the
# place of the old one: the shell that runs goes on reading the one that it opened.
own_hook() {
  script=$(own_entrypoint) || return 0
  [ -n "$1" ] || grep -q '# pulumi-clore$' "$script" || return 0
  case $(head -n 1 "$script") in '#'*) top=1 ;; *) top=0 ;; esac
  if cp -p "$script" "$script.pulumi-clore" 2>/dev/null && {
    head -n "$top" "$script"
    [ -z "$1" ] || printf '%s\n' "$1"
    tail -n "+$((top + 1))" "$script" | grep -v '# pulumi-clore$'
  } >"$script.pulumi-clore"; then
    mv -f "$script.pulumi-clore" "$script" 2>/dev/null
  fi
  rm -f "$script.pulumi-clore"
}
own_at_boot() {
  cat >"$base/boot" <<BOOT
HOME=$HOME
export HOME
for service in $base/services/*/at-boot; do
  dir=\${service%/at-boot}
  [ -e "\$service" ] && \$(command -v setsid) sh "\$dir/current/supervise" "\$dir" </dev/null >/dev/null 2>&1 &
done
BOOT
  : >"$dir/at-boot"
  own_hook "[ -r $base/boot ] && sh $base/boot || : # pulumi-clore"
}
own_start() {
  if own_cron_runs; then
    (crontab -l 2>/dev/null | grep -v "# pulumi-clore $name\$"; own_line; echo) | crontab - 2>/dev/null
  else
    own_at_boot
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
  rm -f "$dir/at-boot"
  ls "$base"/services/*/at-boot >/dev/null 2>&1 || { own_hook ''; rm -f "$base/boot"; }
  end_supervisor
}
