"""Many models at once: where official weights lie, fetching them, and building what one file asks for, here or on a cluster."""
