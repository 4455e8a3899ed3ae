"""A prior small enough to train in a test."""

import torch

from mgdm_audio.training.loop import train

CONFIG = """
[prior]
name = "toy"
samplerate = 8000
segment = 0.25
sources = ["a", "b", "c"]
sigma_min = 1e-3
sigma_max = 2.0
network = "band"
[network]
window = 128
bands = [[16, 4]]
channels = [8, 8]
blocks = 1
heads = 2
reach = 2
embedding = 16
[training]
data = "tests.training.test_training:Tones"
crop = 0.25
batch_size = 2
steps = 12
warmup = 2
workers = 0
variance_crops = 8
save_every = 6
validate_every = 1000
"""


def run(config, folder, **options):
    folder.mkdir(exist_ok=True)
    train(config, folder, devices=1, **options)
    return torch.load(folder / "state.pt", weights_only=True)
