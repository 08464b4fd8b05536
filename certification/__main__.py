"""`make certify`: prints the table of targets, writes docs/certification.md, and fails where a target is missed."""

import sys
import time

from certification.engine import PROJECT
from certification.study import document, study


def main() -> int:
    """Run the study; 1 where a target is missed."""
    started = time.monotonic()
    targets = study()
    page = document(targets)
    (PROJECT / "docs" / "certification.md").write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    sys.stderr.write(f"{time.monotonic() - started:.0f} seconds\n")
    return 0 if all(target.is_met() for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
