"""`make certify`: prints the table of targets, writes docs/certification.md, and fails where a target is missed."""

import argparse
import sys
import time

from certification.engine import PROJECT
from certification.study import TOPICS, document, study

PAGE = PROJECT / "docs" / "certification.md"


def main() -> int:
    """Run the study, or some of its topics; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m certification", description=__doc__)
    parser.add_argument("topic", nargs="*", help=f"of {', '.join(TOPICS)}; without one, all. Other sections stay.")
    topics = parser.parse_args().topic or list(TOPICS)
    if unknown := sorted(set(topics) - set(TOPICS)):
        parser.error(f"no topic {', '.join(unknown)}. There are {', '.join(TOPICS)}.")
    started = time.monotonic()
    targets = study(topics)
    is_whole = set(topics) == set(TOPICS)
    PAGE.write_text(document(targets, "" if is_whole else PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(document(targets))
    sys.stderr.write(f"{time.monotonic() - started:.0f} seconds\n")
    return 0 if all(target.is_met() for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
