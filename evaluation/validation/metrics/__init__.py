"""Overlap, matching, average precision: formulas on arrays, and the COCO library around them."""
