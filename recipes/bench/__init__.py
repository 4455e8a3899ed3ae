"""Quality against cost, speed and memory by length, start-up: see the README beside this file."""
