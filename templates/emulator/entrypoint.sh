#!/bin/bash
# PID 1 of a machine: a host key of its own, then sshd, directly or under supervisord.
# In front of an image that starts no sshd (autossh_entrypoint) it is given that image's own command, which runs beside.
mkdir -p /run/sshd
[ -f /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
if [ "$1" = supervisord ]; then
  exec /usr/bin/supervisord -n -c /etc/supervisor/supervisord.conf
fi
if [ $# -gt 0 ]; then
  "$@" &
fi
# bash stays as PID 1, so that orphans are reaped.
while true; do
  /usr/sbin/sshd -D -e
  sleep 1
done
