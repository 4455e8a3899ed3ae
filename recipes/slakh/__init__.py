"""Slakh2100: from the distributed archive to the tables and figures of the papers."""
