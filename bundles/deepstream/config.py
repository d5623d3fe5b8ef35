"""config_infer_primary.txt and deepstream_app_config.txt, as nvinfer and deepstream-app of a release read them.

What a value may look like, and what is taken silently for something else: gstnvinfer_property_parser.cpp of DeepStream 9.1.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from configparser import RawConfigParser

from ...contract.meta import ModelMeta
from ...graph_passes.layouts import expected_outputs
from .plan import ROTATION_SINCE, STRONGLY_TYPED_SINCE, DeepStreamSettings, Parser

Section = Mapping[str, object]

INFER_CONFIG, APP_CONFIG, LABELS = "config_infer_primary.txt", "deepstream_app_config.txt", "labels.txt"
LIBRARY = "libtrtzoo_parse.so"
STOCK_LIBRARY = "/opt/nvidia/deepstream/deepstream/lib/libnvds_infercustomparser.so"
STOCK_FUNCTION = "NvDsInferParseYoloV5CustomBatchedNMSTLT"
PARSE, PARSE_OBB = "TrtzooParse", "TrtzooParseObb"

SCALE = "0.0039215697906911373"
"""1 / 255 as in NVIDIA's own configurations, written out: nvinfer reads no fraction."""
COLOURS = {"rgb": 0, "bgr": 1, "gray": 2}
DETECTOR, INSTANCE_SEGMENTATION = 0, 3
BILINEAR = 1
NO_CLUSTERING = 4
SAMPLE = "file:///opt/nvidia/deepstream/deepstream/samples/streams/sample_720p.mp4"


def uses_masks(meta: ModelMeta, settings: DeepStreamSettings) -> bool:
    """Whether the own parser hands something over in each object's mask."""
    return meta.task in ("pose", "segment") or (meta.task == "obb" and settings.version < ROTATION_SINCE)


def infer_config(meta: ModelMeta, model: str, settings: DeepStreamSettings, parser: Parser) -> str:
    """The configuration of the primary detector.

    Args:
        meta: of the model, end to end.
        model: name of its file beside the configuration, `.onnx` or `.engine`.
        settings: the release and the batch.
        parser: "stock" or "own".
    """
    letterbox = meta.preprocess.resize == "letterbox"
    common: dict[str, object] = {
        "gpu-id": 0,
        "gie-unique-id": 1,
        "process-mode": 1,
        **_model(meta, model, settings),
        "labelfile-path": LABELS,
        "batch-size": settings.batch_size,
        "infer-dims": f"{meta.channels};{meta.imgsz[0]};{meta.imgsz[1]}",
        "net-scale-factor": _scale(meta),
        "model-color-format": 2 if meta.channels == 1 else COLOURS[meta.preprocess.colour],
        "maintain-aspect-ratio": int(letterbox),
        **({"symmetric-padding": int(meta.preprocess.anchor == "centre")} if letterbox else {}),
        "scaling-filter": BILINEAR,
        "crop-objects-to-roi-boundary": int(not _rotates(meta, settings)),
        "num-detected-classes": len(meta.names),
        "cluster-mode": NO_CLUSTERING,
        **_parser(meta, settings, parser),
        "output-blob-names": ";".join(spec.name for spec in expected_outputs(meta)),
    }
    return _text({"property": common, **_thresholds(meta, parser)})


def app_config(meta: ModelMeta, settings: DeepStreamSettings) -> str:
    """A pipeline for deepstream-app that plays a file."""
    segment = meta.task == "segment"
    return _text(
        {
            "application": {"enable-perf-measurement": 1, "perf-measurement-interval-sec": 5},
            "tiled-display": {"enable": 0},
            "source0": {"enable": 1, "type": 3, "uri": SAMPLE, "num-sources": 1, "gpu-id": 0},
            "sink0": {"enable": 1, "type": 2, "sync": 0, "gpu-id": 0},
            "sink1": {
                "enable": 0,
                "type": 3,
                "container": 1,
                "codec": 1,
                "sync": 0,
                "output-file": "out.mp4",
                "source-id": 0,
            },
            "osd": {
                "enable": 1,
                "gpu-id": 0,
                "process-mode": 0 if segment else 1,
                "border-width": 2,
                "text-size": 12,
                "display-bbox": 1,
                "display-text": 1,
                "display-mask": int(segment),
            },
            "streammux": {
                "gpu-id": 0,
                "live-source": 0,
                "batch-size": 1,
                "batched-push-timeout": 40000,
                "width": 1280,
                "height": 720,
            },
            "primary-gie": {"enable": 1, "gpu-id": 0, "gie-unique-id": 1, "config-file": INFER_CONFIG},
            "tests": {"file-loop": 0},
        }
    )


def _scale(meta: ModelMeta) -> str:
    """What nvinfer multiplies a pixel of 0..255 with."""
    return SCALE if meta.preprocess.scale == 1 else _number(meta.preprocess.scale / 255)


def cached_engine(model: str, settings: DeepStreamSettings) -> str:
    """The name under which nvinfer keeps the engine that it builds (TrtModelBuilder::buildModel)."""
    return f"{model}_b{settings.batch_size}_gpu0_fp32.engine"


def _model(meta: ModelMeta, model: str, settings: DeepStreamSettings) -> Section:
    """Network and precision. network-mode 0 everywhere: the graph's types or the engine's are the precision."""
    if not model.endswith(".onnx"):
        return {"model-engine-file": model, "network-mode": {"fp32": 0}.get(meta.precision, 2)}
    typed = {"strongly-typed": 1} if meta.precision != "fp32" and settings.version >= STRONGLY_TYPED_SINCE else {}
    return {"onnx-file": model, "model-engine-file": cached_engine(model, settings), "network-mode": 0, **typed}


def _rotates(meta: ModelMeta, settings: DeepStreamSettings) -> bool:
    """Whether nvinfer gets rotated boxes; it would cut them at the frame as if they were upright."""
    return meta.task == "obb" and settings.version >= ROTATION_SINCE


def _parser(meta: ModelMeta, settings: DeepStreamSettings, parser: Parser) -> Section:
    if parser == "stock":
        return {"network-type": DETECTOR, "parse-bbox-func-name": STOCK_FUNCTION, "custom-lib-path": STOCK_LIBRARY}
    library = {"custom-lib-path": f"./{LIBRARY}"}
    if _rotates(meta, settings):
        return {"network-type": DETECTOR, "parse-bbox-func-name": PARSE_OBB, **library}
    masks = {"output-instance-mask": int(uses_masks(meta, settings))}
    threshold = {"segmentation-threshold": 0.5} if meta.task == "segment" else {}
    return {
        "network-type": INSTANCE_SEGMENTATION, "parse-bbox-instance-mask-func-name": PARSE, **library, **masks, **threshold,
    }  # fmt: skip


def _thresholds(meta: ModelMeta, parser: Parser) -> dict[str, Section]:
    """Score thresholds: nvinfer keeps what is at least as high, the graph what is higher."""
    assert meta.nms is not None
    sections = {"class-attrs-all": {"pre-cluster-threshold": _number(meta.nms.conf_thres)}}
    classes = meta.extra.get("class_thresholds", {}) if parser == "own" else {}
    for name, value in classes.items():
        least = max(float(value), meta.nms.conf_thres)
        sections[f"class-attrs-{meta.names.index(name)}"] = {"pre-cluster-threshold": _number(least)}
    return dict(sections)


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _text(sections: Mapping[str, Section]) -> str:
    """A key file; without comments, since nvinfer takes one behind a value for a part of it."""
    writer = RawConfigParser(delimiters=("=",))
    writer.optionxform = str  # type: ignore[assignment, method-assign]
    writer.read_dict({name: {key: str(value) for key, value in keys.items()} for name, keys in sections.items()})
    text = io.StringIO()
    writer.write(text, space_around_delimiters=False)
    return text.getvalue().rstrip("\n") + "\n"
