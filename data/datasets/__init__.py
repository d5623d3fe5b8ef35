"""Labelled pictures, in the formats that the field uses."""
