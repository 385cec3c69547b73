"""Files as a catalogue: what benches read needs no server and no signature."""

from __future__ import annotations

from collections.abc import Mapping


class Files:
    """A catalogue of files: nothing to sign."""

    def sign(self, href: str, *, renew: bool = False) -> str:
        """Return the path as it is."""
        del renew
        return href

    def gdal_environment(self) -> Mapping[str, str]:
        """Return no option."""
        return {}
