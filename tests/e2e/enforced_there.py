"""An agent whose enforcer alone lives in another network namespace: `PREFIX… -- ARGUMENTS…`."""

import sys
from functools import partial

import pytest

from agent.__main__ import main
from agent.isolation import enforcer


def run(words: list[str]) -> int:
    """Run the agent's program with these arguments, its enforcer behind the prefix."""
    there = words.index("--")
    started = partial(enforcer.started_enforcer, prefix=words[:there])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enforcer, "started_enforcer", started)
        return main(words[there + 1 :])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
