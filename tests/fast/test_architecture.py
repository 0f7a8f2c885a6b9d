"""The rule of the house, read from the imports of every module.

    python tests/fast/test_architecture.py

prints the rooms, and for each the rooms that it imports from.
"""

import ast
import collections
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A room imports from itself and from rooms to its left.
ROOMS = [
    "tfmodels",
    "runtime",
    "metrics",
    "objectives",
    "distribution",
    "config",
    "run",
    "data",
    "tasks",
    "evaluation",
    "training",
    "serving",
    "prediction",
    "server",
]
COMMANDS = [
    "check_data",
    "checkpoints",
    "evaluate",
    "export",
    "launch",
    "predict",
    "serve",
    "train",
]
# Beside the commands. `errors` is for every room.
DOOR = ["__init__", "__main__", "errors", "flags"]
# Rooms whose `__init__` defines something.
WITH_DEFINITIONS = ["trainers", "trainers/tasks"]


def modules(root=ROOT):
    """Returns the parsed modules by dotted name."""
    files = {}
    for package in ("tfmodels", "trainers", "configs"):
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            tree = ast.parse(file.read_text(encoding="utf-8"))
            files[".".join(parts)] = tree
    return files


MODULES = modules()


def names_imported(tree):
    """Yields `a.b.c` for `import a.b.c` and `from a.b import c`, anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.names[0].name != "*", "imports are named"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows(trees):
    """Returns the modules that each module imports, by name."""
    found = {}
    for name, tree in trees.items():
        found[name] = set()
        for imported in names_imported(tree):
            module = imported
            while module and module not in trees:
                module = module.rpartition(".")[0]
            if module and module != name:
                found[name].add(module)
    return found


ARROWS = arrows(MODULES)


def room_of(module):
    """Returns the room of a module; its own name for one at the door."""
    parts = module.split(".")
    if parts[0] == "trainers" and len(parts) > 1:
        return parts[1]
    return parts[0]


def circle(graph):
    """Returns the modules of a circle of imports, or an empty list."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        path.append(module)
        for imported in sorted(graph[module]):
            if found := visit(imported):
                return found
        done.add(path.pop())
        return []

    for module in sorted(graph):
        if found := visit(module):
            return found
    return []


def test_imports_are_found_wherever_they_are():
    source = (
        "import a.b\nfrom c import d as e\ndef f():\n    from g.h import i\n"
    )
    trees = {
        "x": ast.parse(source),
        "a.b": ast.parse(""),
        "c": ast.parse("import x"),
        "g": ast.parse(""),
        "g.h": ast.parse(""),
    }
    assert arrows(trees)["x"] == {"a.b", "c", "g.h"}
    assert circle(arrows(trees)) == ["c", "x"]
    del trees["c"]
    assert circle(arrows(trees)) == []


def test_a_room_imports_from_itself_and_from_rooms_to_its_left():
    rooms = {room_of(name) for name in MODULES if name.count(".") > 1}
    assert rooms | {"tfmodels"} == set(ROOMS)
    wrong = [
        (module, imported)
        for module, imports in ARROWS.items()
        if room_of(module) in ROOMS
        for imported in sorted(imports)
        if room_of(imported)
        not in (*ROOMS[: ROOMS.index(room_of(module)) + 1], "errors")
    ]
    assert wrong == []
    assert [m for m in MODULES if room_of(m) == "tfmodels"] != []
    assert [
        (module, imported)
        for module, imports in ARROWS.items()
        if room_of(module) == "tfmodels"
        for imported in imports
        if room_of(imported) != "tfmodels"
    ] == []


def test_export_and_training_do_not_know_each_other():
    """An export needs a work directory alone; training gets `export_fn`."""
    assert [
        (module, imported)
        for module, imports in ARROWS.items()
        if module.startswith("trainers.serving")
        for imported in imports
        if imported.startswith("trainers.training")
    ] == []


def test_no_modules_import_each_other_in_a_circle():
    assert circle(ARROWS) == []


def test_the_door_has_commands_flags_and_errors_alone():
    files = sorted(f.stem for f in (ROOT / "trainers").glob("*.py"))
    assert files == sorted(COMMANDS + DOOR)
    commands = [
        name
        for name, tree in MODULES.items()
        if "trainers.flags" in ARROWS[name]
    ]
    assert commands == [f"trainers.{name}" for name in COMMANDS]
    # What a command does is in a room: nothing imports commands or flags.
    importers = {
        (module, imported)
        for module, imports in ARROWS.items()
        for imported in imports
        if imported in commands
    }
    # Which checks the flags of the training command before it starts workers.
    assert importers == {("trainers.launch", "trainers.train")}


def test_only_two_modules_import_by_name():
    """Such imports are not among the arrows."""
    users = {
        name
        for name, tree in MODULES.items()
        if {"importlib", "importlib.import_module"} & {*names_imported(tree)}
    }
    # The public names, and the table of kinds.
    assert users == {"trainers", "trainers.config.kinds"}


def table_of_kinds():
    """Returns `KINDS`, without an import of it."""
    for node in MODULES["trainers.config.kinds"].body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "KINDS":
            return ast.literal_eval(node.value)
    raise AssertionError("there is no table")


def names_used(tree):
    """Yields the last word of each name that a module imports or uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
    yield from (name.rpartition(".")[2] for name in names_imported(tree))


def test_the_table_of_kinds_names_modules_of_the_project():
    paths = [
        path for part in table_of_kinds().values() for path in part.values()
    ]
    assert {path.partition(":")[0] for path in paths} <= set(MODULES)


# The rooms that can know single kinds of each part. A config file is written
# for some kinds, and an experiment has defaults.
HOMES = {
    "data": ["config", "tasks", "configs"],
    "model": ["tfmodels", "config", "configs"],
    "task": ["objectives", "config", "configs"],
}


def test_a_kind_is_known_by_its_methods_alone():
    """No other room asks which kind of data, model or objective it has.

    A kind of a user is therefore treated like those of the table.
    """
    found = []
    for part, homes in HOMES.items():
        paths = table_of_kinds()[part].values()
        classes = {path.partition(":")[2] for path in paths}
        # The module of the settings of data also has constants for others.
        kinds = {path.partition(":")[0] for path in paths} - {
            "trainers.config.data"
        }
        found += [
            (part, module)
            for module, tree in MODULES.items()
            if room_of(module) not in homes
            and (classes & {*names_used(tree)} or kinds & ARROWS[module])
        ]
    assert found == []


def test_inputs_are_imported_by_their_settings_alone():
    """Nothing but the settings of data says which inputs there are.

    Inputs can be derived from others.
    """
    settings = {
        path.partition(":")[0] for path in table_of_kinds()["data"].values()
    }
    inputs = {
        node.value.partition(":")[0]
        for name in settings
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Constant)
        and str(node.value).startswith("trainers.tasks.")
    }
    assert len(inputs) == len(table_of_kinds()["data"])
    assert inputs <= set(MODULES)
    importers = {m for m, imports in ARROWS.items() if inputs & imports}
    assert importers <= inputs


def test_types_of_settings_are_no_strings():
    """With that import they would be, and no text of a flag could be read."""
    assert [
        name
        for name, tree in MODULES.items()
        if any(i.startswith("__future__.") for i in names_imported(tree))
    ] == []


def test_an_init_defines_nothing():
    defining = []
    for package in ("tfmodels", "trainers"):
        for file in sorted((ROOT / package).rglob("__init__.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            body = tree.body[1:]  # After the docstring.
            assert ast.get_docstring(tree), file
            if any(not isinstance(node, ast.ImportFrom) for node in body):
                defining.append(file.parent.relative_to(ROOT).as_posix())
    assert defining == WITH_DEFINITIONS


def test_a_config_file_imports_settings_alone():
    for name, imports in ARROWS.items():
        if room_of(name) == "configs":
            rooms = {room_of(imported) for imported in imports}
            assert rooms == {"config", "tfmodels"}, name


def test_only_the_door_uses_absl():
    users = {
        name
        for name, tree in MODULES.items()
        if any(i.split(".")[0] == "absl" for i in names_imported(tree))
    }
    door = {f"trainers.{name}" for name in (*COMMANDS, "flags")}
    assert "trainers.flags" in users
    assert users <= door


def test_no_file_is_named_for_everything():
    vague = {"utils", "util", "common", "helpers", "helper", "misc"}
    names = [pathlib.PurePath(*name.split(".")) for name in MODULES]
    names += (ROOT / "tests").rglob("*.py")
    assert [name for name in names if {name.stem, *name.parts} & vague] == []


def test_every_package_is_in_setup_cfg():
    """What is not listed there is missing in a wheel."""
    lines = (ROOT / "setup.cfg").read_text().splitlines()
    packages = {
        file.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for package in ("tfmodels", "trainers")
        for file in (ROOT / package).rglob("*.py")
    } | {"trainers.configs"}
    listed = [line.strip() for line in lines[lines.index("packages =") + 1 :]]
    assert listed[: len(packages)] == sorted(packages)


def picture():
    """Yields a line for each room: its files, and the rooms it imports."""
    files, imports = collections.Counter(), collections.defaultdict(set)
    for module, imported in ARROWS.items():
        room = room_of(module)
        files[room] += 1
        imports[room] |= {room_of(i) for i in imported} - {room}
    rooms = [*ROOMS, *sorted(files.keys() - set(ROOMS) - {"trainers"})]
    for room in rooms:
        left = [r for r in rooms if r in imports[room]]
        yield f"{room:12} {files[room]:3} files  <- {', '.join(left) or '-'}"
    count = sum(len(imports[room] & set(rooms)) for room in rooms)
    yield f"{len(rooms)} rooms, {count} arrows"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in picture())
