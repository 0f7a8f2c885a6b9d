"""Lists the commands.

python -m trainers
"""

import ast
import pathlib
import sys

from trainers.runtime import startup

# Modules that are not commands.
_NOT_COMMANDS = ("__init__", "__main__", "errors", "flags")


def commands():
    """Returns the first line of each command's docstring.

    Returns:
        dict. Line by name of the command.
    """
    files = sorted(pathlib.Path(__file__).parent.glob("*.py"))
    return {
        file.stem: ast.get_docstring(
            ast.parse(file.read_text(encoding="utf-8"))
        ).partition("\n")[0]
        for file in files
        if file.stem not in _NOT_COMMANDS
    }


def main(arguments):
    """Prints the commands.

    Args:
        arguments: List of str. Words of the command line.

    Returns:
        int. Exit code: 0, or 2 for an unknown argument.
    """
    lines = commands()
    width = max(map(len, lines))
    try:
        for name, line in lines.items():
            print(f"python -m trainers.{name:{width}}  {line}")
        sys.stdout.flush()
    except BrokenPipeError:
        startup.discard_stdout()
        return 1
    if not arguments or arguments[0] in ("-h", "--help"):
        return 0
    print(
        f"error: `{arguments[0]}` is not an argument of python -m trainers. "
        "Run one of the commands above, each with --help.",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
