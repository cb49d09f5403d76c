"""The parts of Tools/bench: shapes (what is asked), servers (who is asked), runs (how), tables (what came of it)."""
