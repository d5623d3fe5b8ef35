"""What a command line may hold that is nobody else's business: passwords and tokens in addresses."""

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"(?<=://)[^/@\s'\"]+(?=@)|(?<=[?&])((?:[\w-]*(?:token|key|signature|password|secret)|sig)=)[^&\s'\"]+",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """The text with stars for the user and password of addresses, and for keys in their queries."""
    return _SECRETS.sub(lambda found: f"{found[1] or ''}***", text)


def has_secrets(text: str) -> bool:
    """Whether there is anything to leave out."""
    return _SECRETS.search(text) is not None
