# What stands behind an order of the local Clore.ai (`clore emulate --machines docker`). One target a kind of host.
ARG BASE=debian:bookworm-slim

# Like a rental on Clore.ai: unprivileged, no systemd, no Docker; PID 1 is the entrypoint that starts sshd.
FROM ${BASE} AS plain
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-server ca-certificates curl procps iproute2 python3-minimal xz-utils zstd \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && mkdir -p /run/sshd /root/.ssh && chmod 700 /root/.ssh
COPY sshd.conf /etc/ssh/sshd_config.d/machine.conf
COPY entrypoint.sh /etc/order_entrypoint.sh
EXPOSE 22
CMD ["/bin/bash", "/etc/order_entrypoint.sh"]

# Like Clore.ai's own base images: supervisord runs sshd and whatever else is put into its conf.d.
FROM plain AS supervisord
RUN apt-get update && apt-get install -y --no-install-recommends supervisor && rm -rf /var/lib/apt/lists/*
COPY supervisord-sshd.conf /etc/supervisor/conf.d/sshd.conf
CMD ["/bin/bash", "/etc/order_entrypoint.sh", "supervisord"]

# A machine of one's own without Docker, on which it can be installed and started (started with more rights).
FROM plain AS docker

# A virtual machine: systemd is PID 1.
FROM plain AS systemd
RUN apt-get update && apt-get install -y --no-install-recommends systemd-sysv dbus && rm -rf /var/lib/apt/lists/* \
 && systemctl enable ssh && systemctl mask getty.target console-getty.service systemd-udevd.service
COPY hostkey.service /etc/systemd/system/hostkey.service
RUN systemctl enable hostkey
ENV container=docker
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
