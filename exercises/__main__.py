"""Run an exercise, or list them all.

    python -m exercises                  every exercise, and which you have solved
    python -m exercises 3                the story, and what the test says of your broken.py
    python -m exercises 3 --hint         a hint
    python -m exercises 3 --solution     what the test says of solution.py
    python -m exercises 3 --reset        broken.py as it was at first

Exit status: 0 if the tests pass, 1 if they do not, 2 if there is no such exercise.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from exercises.catalogue import HERE, Exercise, catalogue
from exercises.trial import try_out

LONGEST = 30
"""Seconds, of real time, after which a file under test is in an endless loop."""


def main(arguments: Sequence[str] | None = None, folder: Path = HERE) -> int:
    """The command, for the exercises in `folder`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m exercises", description="A bug zoo for API gateways.")
    parser.add_argument("number", nargs="?", help="which exercise; without it, all are listed")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--hint", action="store_true", help="show the hint")
    choice.add_argument("--solution", action="store_true", help="run the test against solution.py")
    choice.add_argument("--reset", action="store_true", help="put broken.py back as it was")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without stars shall show question marks, and not fail
    exercises = catalogue(folder)
    if options.number is None:
        if options.hint or options.solution or options.reset:
            return _complain("say which exercise: a number comes first, as in `python -m exercises 3 --hint`")
        _list(exercises)
        return 0
    found = [exercise for exercise in exercises if str(exercise.number) == options.number.lstrip("0")]
    if not found:
        return _complain(f"there is no exercise {options.number!r}: they are numbered 1 to {len(exercises)}")
    exercise = found[0]
    if options.reset:
        exercise.reset()
        print(f"{_name(exercise.mine)} is as it was at first.")
        return 0
    if options.hint:
        print(exercise.hint)
        return 0
    return _run(exercise, exercise.solution if options.solution else exercise.mine)


def _run(exercise: Exercise, file: Path) -> int:
    print(f"{exercise.number}. {exercise.title}   {'★' * exercise.stars}   {exercise.minutes} minutes\n")
    print(exercise.story)
    print(f"\nyour file  {_name(exercise.mine)}\nits test   {_name(exercise.test)}\n\n{file.name}:", flush=True)
    verdicts = try_out(exercise, file)
    for verdict in verdicts:
        print(f"  {'passes' if verdict.passed else 'FAILS '}  {verdict.test}")
        if not verdict.passed:
            print(textwrap.indent(textwrap.fill(verdict.message, 100), " " * 10))
    failed = sum(not verdict.passed for verdict in verdicts)
    command = f"python -m exercises {exercise.number}"
    if failed:
        print(f"\nNot yet: {failed} of {len(verdicts)} fail. Edit {_name(exercise.mine)} and run this again.")
        print(f"`{command} --hint` helps, `{command} --reset` begins anew.")
        return 1
    print(f"\nAll {len(verdicts)} pass. Now say it aloud: {exercise.question}")
    if file == exercise.mine:
        print(f"Then compare with {_name(exercise.solution)}, and read what the fix costs.")
    return 0


def _list(exercises: Sequence[Exercise]) -> None:
    for exercise in exercises:
        # What is as it was shipped fails: there is no need to try.
        if not exercise.is_begun:
            state = ""
        elif all(verdict.passed for verdict in try_out(exercise, exercise.mine)):
            state = "solved"
        else:
            state = "begun"
        stars = "★" * exercise.stars + "☆" * (3 - exercise.stars)
        print(f"{exercise.number:>3}  {stars}  {exercise.minutes:>3} min  {exercise.title:<46}  {state}".rstrip())
    print("\nrun one: python -m exercises N, or make exercise N=...; exercises/README.md has three paths")


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _name(file: Path) -> str:
    return os.path.relpath(file)


if __name__ == "__main__":
    # An endless loop in the reader's file is shown with the line where it turns, and ends the program.
    faulthandler.dump_traceback_later(LONGEST, exit=True)
    sys.exit(main())
