"""What Reverb answers, recorded: the node answers the same, or as well (see transcripts.py)."""

from __future__ import annotations

import re

import pytest

import transcripts
from harness.node import Variant, binary

VARIANTS = [Variant("uring", 4), Variant("epoll", 1)]


@pytest.mark.skipif(transcripts.kit() is None, reason="there is no ../shared/transcripts")
@pytest.mark.variants(VARIANTS)
def test_transcripts(variant: Variant, tmp_path) -> None:
    _, failed, text = transcripts.run(binary(), variant.backend, variant.workers, transcripts.GROUPS, tmp_path)
    names = {line.split(" ")[0] for line in failed}
    blocks = [b for b in re.split(r"^(?=[a-z0-9_]+\.[a-z0-9_]+: )", text, flags=re.M) if b.split(":")[0] in names]
    assert not failed, "\n".join(failed) + "\n\n" + "\n".join(blocks)
