"""The rules of the architecture, read from the source of every module."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
STAGES = ("data", "tasks", "training", "evaluation", "serving")
COMMANDS = [
    "check_data",
    "checkpoints",
    "data_service",
    "evaluate",
    "export",
    "launch",
    "predict",
    "serve",
    "train",
]
MODULES = {
    file.relative_to(ROOT).as_posix(): ast.parse(file.read_text())
    for package in ("tfmodels", "trainers", "configs")
    for file in sorted((ROOT / package).rglob("*.py"))
}


def imports(tree):
    """Yields `a.b.c` for `import a.b.c` and `from a.b import c`, anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(name, package):
    return name == package or name.startswith(f"{package}.")


def offenders(folder, forbidden):
    """Returns `(file, import)` in a folder for imports of the forbidden."""
    return [
        (path, name)
        for path, tree in MODULES.items()
        if path.startswith(folder)
        for name in imports(tree)
        if any(is_in(name, package) for package in forbidden)
    ]


def is_command(tree):
    """Returns whether a module ends in `flags.run(...)`."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "run"
        and isinstance(node.value, ast.Name)
        and node.value.id == "flags"
        for node in ast.walk(tree)
    )


def test_imports_are_found_wherever_they_stand():
    tree = ast.parse(
        "import a.b\n"
        "from c import d as e\n"
        "def f():\n"
        "    from trainers.config_files import g\n"
    )
    names = list(imports(tree))
    assert names == ["a.b", "c.d", "trainers.config_files.g"]
    assert is_in("trainers.config.x", "trainers.config")
    assert not is_in("trainers.config_files.g", "trainers.config")


def test_every_stage_is_there():
    for stage in STAGES:
        assert f"trainers/{stage}/__init__.py" in MODULES
    assert "tfmodels/__init__.py" in MODULES
    assert "configs/mnist_mlp.py" in MODULES


@pytest.mark.parametrize(
    "folder, forbidden",
    [
        ("tfmodels/", ["trainers", "absl"]),
        (
            "trainers/data/",
            [f"trainers.{s}" for s in STAGES if s != "data"],
        ),
        (
            "trainers/tasks/",
            ["trainers.training", "trainers.evaluation", "trainers.serving"],
        ),
        ("trainers/evaluation/", ["trainers.training", "trainers.serving"]),
        ("trainers/training/", ["trainers.serving"]),
        ("trainers/serving/", ["trainers.training"]),
    ],
)
def test_data_flows_one_way(folder, forbidden):
    assert offenders(folder, forbidden) == []


def test_a_config_file_imports_settings_alone():
    names = [
        (path, name)
        for path, tree in MODULES.items()
        if path.startswith("configs/")
        for name in imports(tree)
    ]
    assert names != []
    assert [
        (path, name)
        for path, name in names
        if not is_in(name, "trainers.config") and not is_in(name, "tfmodels")
    ] == []


def test_what_all_stages_share_imports_none_of_them():
    modules = {
        path: tree
        for path, tree in MODULES.items()
        if path.count("/") == 1
        and path.startswith("trainers/")
        and not is_command(tree)
    }
    assert "trainers/config.py" in modules and "trainers/flags.py" in modules
    assert [
        (path, name)
        for path, tree in modules.items()
        for name in imports(tree)
        if any(is_in(name, f"trainers.{stage}") for stage in STAGES)
    ] == []


def test_only_commands_know_flags():
    allowed = ["trainers/flags.py", *(f"trainers/{c}.py" for c in COMMANDS)]
    users = {path for path, _ in offenders("", ["absl.flags", "absl.app"])}
    assert "trainers/flags.py" in users
    assert users <= set(allowed)
    users = {path for path, _ in offenders("", ["trainers.flags"])}
    assert users == set(allowed[1:])


def test_the_commands_are_these():
    commands = [path for path, tree in MODULES.items() if is_command(tree)]
    assert commands == [f"trainers/{name}.py" for name in COMMANDS]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_at_most_60_lines(name):
    text = (ROOT / "trainers" / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize("path", MODULES)
def test_a_file_has_at_most_300_lines_and_a_function_60(path):
    assert len((ROOT / path).read_text().splitlines()) <= 300
    assert [
        (node.name, node.end_lineno - node.lineno + 1)
        for node in ast.walk(MODULES[path])
        if isinstance(node, ast.FunctionDef)
        and node.end_lineno - node.lineno + 1 > 60
    ] == []


def test_no_file_is_named_for_everything():
    vague = {"utils", "util", "common", "helpers", "helper", "misc", "tools"}
    names = [pathlib.Path(path) for path in MODULES]
    names += (ROOT / "tests").rglob("*.py")
    assert [name for name in names if {name.stem, *name.parts} & vague] == []


@pytest.mark.parametrize(
    "path", ["trainers/config.py", "trainers/config_parts.py"]
)
def test_config_dataclasses_keep_their_types(path):
    """With this import, ml_collections sees strings and overrides fail."""
    assert offenders(path, ["__future__"]) == []


def test_every_package_is_in_setup_cfg():
    """What is not listed there is missing in a wheel."""
    lines = (ROOT / "setup.cfg").read_text().splitlines()
    packages = {
        pathlib.Path(path).parent.as_posix().replace("/", ".")
        for path in MODULES
    }
    packages = packages - {"configs"} | {"trainers.configs"}
    assert [p for p in sorted(packages) if f"    {p}" not in lines] == []
