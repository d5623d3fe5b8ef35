"""One file a route: which candidates survive."""
