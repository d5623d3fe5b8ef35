"""One file a command: its flags, and how they become calls."""
