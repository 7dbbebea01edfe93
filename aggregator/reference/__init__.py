"""The API's description for people: one page of plain HTML, CSS and an ES module."""

from pathlib import Path
from typing import Final

PAGES: Final = Path(__file__).parent / "pages"
