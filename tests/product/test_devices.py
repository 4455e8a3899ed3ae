"""Precision and memory by device, without one: what PyTorch says of it is replaced."""

import subprocess
import sys

import pytest
import torch

from mgdm_audio.devices import autocast, free_memory, undisturbed

CUDA = torch.device("cuda")


@pytest.mark.parametrize(
    ("hip", "capability", "half"),
    [(None, (7, 5), False), (None, (8, 0), True), (None, (9, 0), True), ("6.2", (9, 0), True)],
)
def test_bfloat16_where_a_gpu_multiplies_it(monkeypatch, hip, capability, half):
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    made = []
    monkeypatch.setattr(torch, "autocast", lambda *arguments: made.append(arguments))
    autocast(CUDA)
    assert made == ([("cuda", torch.bfloat16)] if half else [])


def test_what_is_kept_for_later_counts_as_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 5000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 200)
    assert free_memory(CUDA) == 1500


def test_what_the_caller_is_in_the_middle_of_is_left_outside():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        with undisturbed(torch.device("cpu")):
            x = torch.ones(2, 2, requires_grad=True)
            (x @ x).sum().backward()
            assert (x @ x).dtype == torch.float32
            assert x.grad.device.type == "cpu"
        assert torch.is_inference_mode_enabled()
        assert torch.ones(1).device.type == "meta"


PROGRAM = """
import torch
from mgdm_audio.devices import convolutions_without_tf32
cudnn = torch.backends.cudnn
{setting}
before = cudnn.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
with convolutions_without_tf32():
    assert cudnn.conv.fp32_precision == "ieee"
assert (cudnn.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision) == before
torch.backends.fp32_precision = "bf16" if before[0] == "ieee" else "ieee"
assert (cudnn.conv.fp32_precision != before[1]) == {follows}
"""


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="a setting of later PyTorch")
@pytest.mark.parametrize(
    ("setting", "follows"),
    [
        ("", True),
        ("cudnn.allow_tf32 = True", False),
        ("cudnn.conv.fp32_precision = 'tf32'", False),
        ("torch.backends.fp32_precision = 'tf32'", True),
    ],
)
def test_no_tf32_however_the_program_asked_for_it(setting, follows):
    """Each in a process of its own: PyTorch refuses programs that ask in two ways."""
    program = PROGRAM.format(setting=setting, follows=follows)
    subprocess.run([sys.executable, "-c", program], check=True)
