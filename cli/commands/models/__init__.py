"""Commands that turn one model into another form, look into it, or run it."""
