"""The shipped prior against every sampler and the peers that a user would pick, on band sets.

python -m recipes.band.benchmark --set own=runs/band/test --set others=runs/band/songs
"""
