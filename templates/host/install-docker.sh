# Installs Docker on Debian or Ubuntu, as root, for src/host/docker/install.ts. Quiet unless something fails.
set -e
export DEBIAN_FRONTEND=noninteractive
if ! command -v dockerd >/dev/null 2>&1; then
  # A machine that has just booted may still hold apt's lock for its own updates.
  apt-get -o DPkg::Lock::Timeout=300 update -qq
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends docker.io docker-cli iptables ca-certificates ||
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends docker.io iptables ca-certificates
fi
# GPUs in containers: NVIDIA's toolkit, from its own repository, once the driver is there.
if command -v nvidia-smi >/dev/null 2>&1 && ! command -v nvidia-ctk >/dev/null 2>&1; then
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends curl gnupg
  repo=https://nvidia.github.io/libnvidia-container
  keyring=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg
  curl -fsSL "$repo/gpgkey" | gpg --dearmor --yes -o "$keyring"
  curl -fsSL "$repo/stable/deb/nvidia-container-toolkit.list" |
    sed "s#deb https://#deb [signed-by=$keyring] https://#g" >/etc/apt/sources.list.d/nvidia-container-toolkit.list
  apt-get -o DPkg::Lock::Timeout=300 update -qq
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq nvidia-container-toolkit
fi
command -v nvidia-ctk >/dev/null 2>&1 && nvidia-ctk runtime configure --runtime=docker
if [ -d /run/systemd/system ]; then
  systemctl enable docker
  systemctl restart docker
fi
