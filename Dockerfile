# The page on a CPU, opened on the base model:
#
#     docker build --tag one-seed .
#     docker run --rm --publish 127.0.0.1:7860:7860 one-seed
#
# docs/install.md has the rest. python is the entry point, so other commands follow the image's name:
#
#     docker run --rm --volume "$PWD/outputs:/app/outputs" one-seed inference.py --checkpoint base

FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH"
WORKDIR /build
COPY requirements-page.txt .
# torch first and from its own index: what follows keeps this build, without GPU libraries.
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch>=2.10" \
    && pip install --no-cache-dir -r requirements-page.txt \
    && rm -rf /opt/venv/lib/python*/site-packages/torch/test \
        /opt/venv/lib/python*/site-packages/torch/include

FROM python:3.11-slim-bookworm
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
# the page checks archives with the last one
COPY LICENSE gradio_demo.py inference.py dataset_preparation.py ./
COPY samples/base samples/base
COPY oneseed oneseed
# Libraries keep their caches at home, and nothing but /tmp need be writable.
ENV PATH="/opt/venv/bin:$PATH" HOME=/tmp PYTHONUNBUFFERED=1
RUN useradd --uid 1000 --no-create-home page
USER 1000
EXPOSE 7860
HEALTHCHECK --start-period=60s --timeout=10s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/healthz', timeout=9)"]
ENTRYPOINT ["python"]
CMD ["gradio_demo.py", "--host", "0.0.0.0"]
