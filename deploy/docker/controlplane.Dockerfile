# The control plane's image, with aditctl. From the root of the checkout:
#   docker build -t adit-controlplane -f deploy/docker/controlplane.Dockerfile .
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

FROM runtime
LABEL org.opencontainers.image.title="adit-controlplane" \
      org.opencontainers.image.description="The deciding half of Adit: store, admin API, aditctl" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:12-slim"
COPY --from=binaries /adit-controlplane /aditctl /usr/bin/
RUN install -d -m 0700 -o 64062 -g 64062 /var/lib/adit/controlplane
ENV ADIT_DATAPLANE_USER=64061
USER 64062:64062
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/bin/aditctl", "version"]
ENTRYPOINT ["/usr/bin/adit-controlplane"]
