"""INT8 numbers from pictures: ranges in one pass, thresholds by five methods, and what wins back the accuracy."""
