"""Commands that measure: ranges, agreement, accuracy, time."""
