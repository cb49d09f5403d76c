"""The parts of Tools/profile: samples (what was recorded), parts (whose it is), flamegraph (the picture)."""
