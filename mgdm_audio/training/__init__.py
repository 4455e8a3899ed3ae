"""Training of separation-aware priors: ``python -m mgdm_audio.training --config FILE``."""
