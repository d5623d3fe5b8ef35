"""Commands that make a model ready for a server or a pipeline."""
