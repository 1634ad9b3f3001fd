"""Run and check the notebooks: `python -m notebooks.runner [NAME...] [--write | --static]`.

Rule: without an option every notebook is checked, run, and compared with what is stored. `--static` leaves out
the run, and takes no time; `--write` stores what the run said, and then checks that. Every problem is
printed with its notebook, cell and cause; the exit code is 1 if there is any.

What it does not do: run notebooks at the same time; they measure, and would disturb each other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nbformat.reader import NotJSONError

from notebooks.runner.execution import NotExecutedError, differences, execute
from notebooks.runner.pair import Pair, Problem, out_of_step, pairs_in
from notebooks.runner.pictures import other_pictures, write_pictures
from notebooks.runner.rules import broken_rules

FOLDER = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m notebooks.runner", description="Run and check the notebooks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="as 01_rate_limiters; all unless given")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="store what the notebooks say now")
    how.add_argument("--static", action="store_true", help="check without running")
    options = parser.parse_args(arguments)
    pairs = [pair for pair in pairs_in(folder) if not options.names or pair.name in options.names]
    missing = set(options.names) - {pair.name for pair in pairs}
    if missing or not pairs:
        print(f"error: no notebook {', '.join(sorted(missing)) or 'at all'} in {folder}", file=sys.stderr)
        return 1
    act: Callable[[Pair], Iterator[Problem]] = verify
    if options.write or options.static:
        act = rewrite if options.write else check
    return 1 if sum(_reported(pair, act) for pair in pairs) else 0


def check(pair: Pair) -> Iterator[Problem]:
    """What can be seen without running: both files are there, in step, and keep the rules."""
    for path in pair:
        if not path.exists():
            yield Problem(pair.name, "", f"{path.name} is missing")
            return
    try:
        source, stored = pair.read_source(), pair.read_stored()
    except NotJSONError:
        yield Problem(pair.name, "", f"{pair.stored.name} is not a notebook")
        return
    problem = out_of_step(pair.name, source, stored)
    if problem:
        yield problem
    else:
        yield from broken_rules(pair.name, stored)
        yield from other_pictures(pair.name, stored, pair.pictures)


def verify(pair: Pair) -> Iterator[Problem]:
    """As `check`, and that a run says what is stored."""
    problems = list(check(pair))
    yield from problems
    if problems:
        return
    try:
        executed = execute(pair.name, pair.read_source(), pair.source.parent)
    except NotExecutedError as error:
        yield error.args[0]
    else:
        yield from differences(pair.name, pair.read_stored(), executed)


def rewrite(pair: Pair) -> Iterator[Problem]:
    """Run the source, store what it says, and check that; where it fails, nothing is stored."""
    if not pair.source.exists():
        yield Problem(pair.name, "", f"{pair.source.name} is missing")
        return
    try:
        executed = execute(pair.name, pair.read_source(), pair.source.parent)
    except NotExecutedError as error:
        yield error.args[0]
    else:
        pair.write(executed)
        write_pictures(executed, pair.pictures)
        yield from check(pair)


def _reported(pair: Pair, act: Callable[[Pair], Iterator[Problem]]) -> int:
    """How many problems there are; each is printed."""
    print(f"{pair.name}: ", end="", flush=True)
    problems = list(act(pair))
    print(f"{len(problems)} problems" if problems else "all right")
    for problem in problems:
        print(problem)
    return len(problems)


if __name__ == "__main__":
    sys.exit(main())
