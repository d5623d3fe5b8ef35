"""Labelled pictures: reading them in the formats that the field uses, and getting them into order before training or measuring."""
