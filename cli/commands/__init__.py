"""One file a command: its flags, and how they become calls; in folders by what the commands are about."""
