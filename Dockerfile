# trtzoo on NVIDIA's TensorRT image, for machines with an NVIDIA GPU. Not built by our CI, which has no GPU; see docs/engines.md.
#
#   docker build -t trtzoo .
#   docker run --rm --gpus all -v "$PWD:/models" trtzoo build yolov8n.onnx
#
# Another TensorRT: --build-arg TAG=24.08-py3 has 10.3 (as JetPack 6.1 and DeepStream 7.1), 25.03-py3 has 10.9 (as DeepStream 8.0).
ARG TAG=25.03-py3
FROM nvcr.io/nvidia/tensorrt:${TAG}

# The image's own Python has the tensorrt module; the environment sees it, and keeps what is installed here apart from it.
# Ubuntu's Python makes no environments without python3-venv, which NVIDIA's images lack.
RUN python3 -c "import tensorrt" || /opt/tensorrt/python/python_setup.sh
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --system-site-packages /opt/trtzoo && /opt/trtzoo/bin/python -c "import tensorrt"
COPY . /src
RUN /opt/trtzoo/bin/pip install --no-cache-dir '/src[opencv]' && rm -rf /src

WORKDIR /models
ENTRYPOINT ["/opt/trtzoo/bin/trtzoo"]
CMD ["--help"]
