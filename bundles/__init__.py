"""Everything that a target needs beside the model, written from the model's own metadata, so that nothing can disagree."""
