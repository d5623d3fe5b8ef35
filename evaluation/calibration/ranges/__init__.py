"""The ranges that decide the scales: gathered in one pass over pictures, made thresholds, kept in files and read from them."""
