"""Entry of ``python <repository>/adapters/sandbox/oracle``.

Run by its path, the folder is loaded as a package of its own, so that nothing of the packages around it is
imported: the judge must not share a mistake with those it judges.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

_NAME = "isthmus_oracle"


def _judge() -> int:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    spec.loader.exec_module(package)
    code: int = importlib.import_module(f"{_NAME}.command").main()
    return code


if __name__ == "__main__":
    sys.exit(_judge())
