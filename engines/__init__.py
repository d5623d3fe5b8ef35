"""ONNX files become engines, and everything that runs a model.

running   load (which runtime), runtimes/, predictor = preprocess -> runtime -> postprocess (nms) -> detections,
          detect (files in, pictures and JSON out) with sources and drawing; check and overflow run a graph once
building  builder asks, child and worker_process carry, build_worker does: parsed_network, profiles, build_config,
          timing_cache, progress, trt_log, build_errors; record -> manifest; contract and freshness judge
reading   engine_file (what is it), plan (load it or say why not), engine_inspect, layers, tensors, onnx_header
versions  compat (what differs between TensorRT 10, 11 and RTX), cuda_driver, trtexec (for other machines)
"""
