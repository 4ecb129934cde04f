# The toolkit on a processor (no GPU), as an unprivileged user:
#
#   docker build -t mitosis-lineage .
#   docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" mitosis-lineage run movie.tif
#
# The image holds works under the GPL (cvxopt, which btrack needs): see docs/licences.md before passing it on.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Plain pip brings the CUDA build of torch on Linux, several gigabytes of it.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --index-url "$TORCH_INDEX" "torch==2.13.0"
COPY pyproject.toml MANIFEST.in README.md LICENSE ./
COPY lineage lineage
COPY classifier classifier
COPY pipelines pipelines
RUN pip install ".[plates,formats,exports]"

FROM python:3.12-slim-bookworm
COPY --from=build /opt/venv /opt/venv
# With `docker run --user` the user has no name, and no home that it may write to.
ENV PATH=/opt/venv/bin:$PATH MPLBACKEND=Agg HOME=/home/mitosis LOGNAME=mitosis \
    MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba XDG_CACHE_HOME=/tmp/cache
RUN useradd --create-home --home-dir /home/mitosis mitosis && mkdir /data && chown mitosis /data
USER mitosis
WORKDIR /data
ENTRYPOINT ["mitosis"]
CMD ["--help"]
