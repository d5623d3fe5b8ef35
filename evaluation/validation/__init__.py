"""`trtzoo val`: how good models are on labelled pictures."""
