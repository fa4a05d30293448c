# An image of the gate and of what it loads, and of nothing else: no shell, no package manager, nobody's base image.
# Its files are put together before by `scripts/image-root target/dist/palisade target/image`; tests/image.rs runs
# the gate under chroot with exactly these.
#
# The policy and its schemas are mounted at /etc/palisade, variables come from the environment.
FROM scratch
COPY target/image/ /
USER 65532:65532
WORKDIR /etc/palisade
# In a container the gate must be reached from outside of it; in production what stands before it speaks TLS.
ENV PALISADE_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/palisade"]
CMD ["serve"]
