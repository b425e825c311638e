"""Print the lower bound of every dependency as a constraint: `numpy>=2.1,<3` becomes `numpy==2.1.*`."""

import re
import tomllib
from pathlib import Path


def lower_bounds(pyproject: Path) -> list[str]:
    """Constraints such as `numpy==2.1.*` for each run-time dependency of a pyproject.toml."""
    requirements = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    found = (re.match(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement) for requirement in requirements)
    return [f"{match[1]}=={match[2]}.*" for match in found if match]


if __name__ == "__main__":
    print("\n".join(lower_bounds(Path(__file__).parent.parent / "pyproject.toml")))
