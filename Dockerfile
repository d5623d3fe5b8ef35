# trtzoo on NVIDIA's TensorRT image, for GPU servers. Not built or run by the project: no GPU was at hand. The tag decides the TensorRT version.
#
#   docker build -t trtzoo .
#   docker run --rm --gpus all -v "$PWD:/models" -w /models trtzoo build yolov8n.onnx
ARG TAG=25.09-py3
FROM nvcr.io/nvidia/tensorrt:${TAG}

COPY . /opt/trtzoo
# The image brings tensorrt; pip must not replace it.
RUN python3 -m pip install --no-cache-dir /opt/trtzoo && rm -rf /opt/trtzoo

ENTRYPOINT ["trtzoo"]
CMD ["--help"]
