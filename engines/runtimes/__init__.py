"""Running a model: one small interface, one file a runtime."""
