"""The browser's side: plain HTML, CSS and one ES module, served as they are."""

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
