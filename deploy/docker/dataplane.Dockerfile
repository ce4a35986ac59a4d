# The data plane's image. From the root of the checkout:
#   docker build -t adit-dataplane -f deploy/docker/dataplane.Dockerfile .
# or, without compiling, from programs that a Debian 12 has built:
#   docker build … --build-context binaries=build/bin .
# The stages build, binaries and runtime are the same in both Dockerfiles, and made once.
FROM debian:12 AS build
COPY . /adit
RUN cd /adit && deploy/packages.sh build \
    && deploy/build.sh adit-dataplane adit-controlplane aditctl \
    && strip build/bin/adit-dataplane build/bin/adit-controlplane build/bin/aditctl

FROM scratch AS binaries
COPY --from=build /adit/build/bin/ /

# Without set-user-id programs there is nobody to become; the socket's directory belongs to the
# control plane, whose group the data plane has.
FROM debian:12-slim AS runtime
COPY deploy/packages.sh /usr/share/adit/
RUN /usr/share/adit/packages.sh run && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && find / -xdev -type f -perm /6000 -exec chmod ug-s {} + \
    && install -d -m 0750 -o 64062 -g 64062 /run/adit

FROM debian:12-slim AS setcap
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libcap2-bin

# Docker and Kubernetes give a user other than 0 its capabilities only with a program's file.
# Permitted, not effective: without it the program still starts, to say what is missing.
FROM setcap AS granted
COPY --from=binaries /adit-dataplane /usr/bin/
RUN setcap cap_net_admin=p /usr/bin/adit-dataplane

FROM runtime
LABEL org.opencontainers.image.title="adit-dataplane" \
      org.opencontainers.image.description="The privileged half of Adit: keeps the tunnel" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:12-slim"
COPY --from=granted /usr/bin/adit-dataplane /usr/bin/
RUN install -d -m 0700 -o 64061 -g 64062 /var/lib/adit/dataplane
ENV ADIT_CONTROLPLANE_USER=64062
USER 64061:64062
EXPOSE 51820/udp
ENTRYPOINT ["/usr/bin/adit-dataplane"]
