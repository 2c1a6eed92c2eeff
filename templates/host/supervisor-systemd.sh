# systemd (as root) keeps our supervise script running and starts it at boot.
systemd_unit=/etc/systemd/system
systemd_start() {
  cat >"$systemd_unit/pulumi-clore-$name.service" <<UNIT
[Unit]
Description=$name (pulumi-clore)
After=network.target
[Service]
ExecStart=/bin/sh $dir/current/supervise $dir
Environment=HOME=$HOME
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec=600
[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload && systemctl enable --now "pulumi-clore-$name.service" >/dev/null 2>&1
}
systemd_stop() {
  systemctl disable --now "pulumi-clore-$name.service" >/dev/null 2>&1
  rm -f "$systemd_unit/pulumi-clore-$name.service"
  systemctl daemon-reload
  end_supervisor
}
