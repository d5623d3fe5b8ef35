"""Pictures in, detections out: sources, preprocessing, postprocessing, drawing."""
