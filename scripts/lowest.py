"""Print the lower bound of every dependency as a constraint: `numpy>=2.1,<3` becomes `numpy==2.1.*`."""

import argparse
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path


def lower_bounds(pyproject: Path, *, extras: Sequence[str] = ()) -> list[str]:
    """Constraints such as `numpy==2.1.*` for the dependencies in a pyproject.toml, and for some extras."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    found = (re.match(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement) for requirement in requirements)
    return [f"{match[1]}=={match[2]}.*" for match in found if match]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    print("\n".join(lower_bounds(Path(__file__).parent.parent / "pyproject.toml")))
