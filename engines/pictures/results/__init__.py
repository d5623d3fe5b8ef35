"""What a run leaves behind: annotated pictures and videos, JSON, and the formats of other tools."""
