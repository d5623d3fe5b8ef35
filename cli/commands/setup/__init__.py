"""Commands about trtzoo itself and the machine that it is on."""
