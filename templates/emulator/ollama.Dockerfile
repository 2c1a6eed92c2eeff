# What stands behind an order with the image ollama/ollama: a real Ollama, laid out and started as that image does it, and
# what `autossh_entrypoint` adds to it. As there, nothing else: no curl, no python, no xz.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-server ca-certificates libstdc++6 \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && mkdir -p /run/sshd /root/.ssh && chmod 700 /root/.ssh
COPY sshd.conf /etc/ssh/sshd_config.d/machine.conf
COPY entrypoint.sh /etc/order_entrypoint.sh
COPY ollama/ /usr/
ENV OLLAMA_HOST=0.0.0.0:11434
EXPOSE 11434
ENTRYPOINT ["/bin/ollama"]
CMD ["serve"]
