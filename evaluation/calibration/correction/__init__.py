"""What wins back the accuracy without training: biases that take back the shift of rounding."""
