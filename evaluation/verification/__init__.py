"""Whether two models compute the same: a network before and after a conversion."""
