"""ONNX files become engines, and everything that runs a model.

library    TensorRT itself: what differs between its versions (compat), its log, the CUDA driver below it
build      builder asks, process (parent, worker_process, messages) carries, its worker does: parsed_network, profiles,
           config, precision, timing_cache, progress, errors; record -> manifest; trtexec for other machines
plans      engines as files: identify (what is it), load (or say why not), manifest, inspect, layers, tensors, freshness
runtimes   open (which one), onnxruntime, tensorrt, torch, triton behind one interface (base); check runs a graph once
pictures   predictor = preprocess -> runtime -> postprocess (nms) -> detections; detect (files in, pictures and JSON out)
           with sources and drawing; overflow runs pictures for half precision
"""
