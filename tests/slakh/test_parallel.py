"""Sharing work between processes and machines."""

import pytest

from recipes.slakh.parallel import find_shard, local_device, pool_map, shard


@pytest.mark.parametrize("jobs", [1, 2])
def test_pool_keeps_the_order(jobs):
    assert list(pool_map(len, ["a", "bbb", "", "cc"], jobs)) == [1, 3, 0, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_cover_everything_once(count):
    items = list(range(10))
    parts = [shard(items, rank, count) for rank in range(count)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_number_of_a_worker():
    assert find_shard("1/4", {"RANK": "0", "WORLD_SIZE": "2"}) == (1, 4)
    assert find_shard(None, {"RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "5"}) == (1, 2)
    task = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8"}
    assert find_shard(None, {**task, "SLURM_STEP_ID": "0"}) == (5, 8)
    # The body of a batch script is no step, or one of a special number.
    assert find_shard(None, task) == (0, 1)
    assert find_shard(None, {**task, "SLURM_STEP_ID": "4294967291"}) == (0, 1)
    assert find_shard(None, {}) == (0, 1)


@pytest.mark.parametrize("text", ["4/4", "-1/4", "1", "a/b", "1/2/3"])
def test_bad_shards_raise(text):
    with pytest.raises(ValueError, match="shard"):
        find_shard(text, {})


def test_device_of_a_worker():
    assert local_device(2, {"LOCAL_RANK": "3"}) == "cuda:1"
    assert local_device(8, {"SLURM_LOCALID": "5"}) == "cuda:5"
    assert local_device(0, {"LOCAL_RANK": "3"}) is None
    assert local_device(2, {}) is None
