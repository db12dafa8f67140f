"""``make bench``: each figure beside a bare reference that was measured in the same run."""
