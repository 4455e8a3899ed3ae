"""Endless band arrangements: `compose(seed)` gives a song of four stems."""

from recipes.band.compose.arrange import compose

__all__ = ["compose"]
