"""``python -m mgdm_audio.cli``, the same as ``mgdm-separate``."""

from .command import main

main()
